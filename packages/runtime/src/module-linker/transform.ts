/**
 * Turns the source of an ES module into a function that the sandbox can evaluate. Line numbers
 * stay; the first line moves to the right by `prefixLength` columns.
 */
import {
  type AnyNode,
  type Comment,
  type ExportAllDeclaration,
  type ExportDefaultDeclaration,
  type ExportNamedDeclaration,
  type Identifier,
  type ImportDeclaration,
  type Literal,
  type Program,
  parse,
  type Token,
} from "acorn";
import { blankComments, escapeTokens } from "./forbidden-text.ts";
import { IdentifierRewriter, type RewriterNames, unsupported } from "./identifier-rewriter.ts";
import type { ModuleExport, ModuleRecord, ModuleRequest } from "./module-record.ts";
import { programToScopes } from "./scopes.ts";
import { SourceEdits } from "./source-edits.ts";
import { namesOfPattern } from "./syntax-tree.ts";

/** Globals that differ between programs are read from the instance, the others once for all. */
export interface KnownGlobals {
  readonly standard: ReadonlySet<string>;
  readonly perProgram: ReadonlySet<string>;
  /** Constructors of buffers, whose memory is counted. */
  readonly counted: ReadonlySet<string>;
}

/** A prefix of the names that rewriting introduces, which the source does not contain. */
export function hiddenPrefix(source: string): string {
  let prefix = "coco$";
  for (let number = 0; source.includes(prefix); number += 1) prefix = `coco${number}$`;
  return prefix;
}

export function hiddenNames(prefix: string): RewriterNames {
  return {
    parameters: `${prefix}p`,
    run: `${prefix}a`,
    superOf: `${prefix}s`,
    checkedGlobals: `${prefix}w`,
    globals: `${prefix}g`,
    importModule: `${prefix}d`,
    importMeta: `${prefix}u`,
    allocate: `${prefix}b`,
  };
}

/** What a module can take from its instance. */
const hookNames = [
  "globals",
  "checkedGlobals",
  "importModule",
  "importMeta",
  "run",
  "allocate",
] as const satisfies readonly (keyof RewriterNames)[];

/**
 * @param name absolute name of the module
 * @throws {SyntaxError} with `pos`, from the parser
 */
export function moduleToRecord(name: string, source: string, known: KnownGlobals): ModuleRecord {
  return new ModuleTransform(name, source, known).run();
}

class ModuleTransform {
  readonly #name: string;
  readonly #source: string;
  readonly #known: KnownGlobals;
  readonly #prefix: string;
  readonly #edits: SourceEdits;
  readonly #tokens: Token[] = [];
  readonly #comments: Comment[] = [];
  readonly #requests: ModuleRequest[] = [];
  readonly #exports = new Map<string, ModuleExport>();
  readonly #starRequests: number[] = [];
  /** Expression of an imported binding, by its local name. */
  readonly #imported = new Map<string, string>();
  /** What an imported local name stands for, to export it again. */
  readonly #importedAs = new Map<string, ModuleExport>();

  constructor(name: string, source: string, known: KnownGlobals) {
    this.#name = name;
    this.#source = source;
    this.#known = known;
    this.#prefix = hiddenPrefix(source);
    this.#edits = new SourceEdits(source);
  }

  run(): ModuleRecord {
    const program = parse(this.#source, {
      ecmaVersion: 2024,
      sourceType: "module",
      onToken: this.#tokens,
      onComment: this.#comments,
    });
    for (const statement of program.body) this.#import(statement);
    for (const statement of program.body) this.#export(statement);
    const rewriter = this.#rewrite(program);
    if (this.#source.startsWith("#!")) {
      this.#edits.replace(0, this.#comments[0]?.end ?? 2, "");
    }
    blankComments(this.#edits, this.#comments.slice(this.#source.startsWith("#!") ? 1 : 0));
    escapeTokens(this.#edits, this.#tokens);
    const edited = this.#edits.apply();
    const head = this.#head(rewriter.usedGlobals, edited.text);
    return {
      name: this.#name,
      text: `${head}${edited.text}\n}})`,
      segments: edited.segments,
      prefixLength: head.length,
      requests: this.#requests,
      exports: this.#exports,
      starRequests: this.#starRequests,
      sourceMapUrl: sourceMapUrl(this.#comments),
    };
  }

  #rewrite(program: Program): IdentifierRewriter {
    const rewriter = new IdentifierRewriter({
      edits: this.#edits,
      scopes: programToScopes(program),
      tokens: this.#tokens,
      names: hiddenNames(this.#prefix),
      imported: this.#imported,
      countedGlobals: this.#known.counted,
      knownGlobals: new Set([...this.#known.standard, ...this.#known.perProgram]),
      isSloppy: false,
    });
    for (const statement of program.body) {
      if (statement.type === "ImportDeclaration" || statement.type === "ExportAllDeclaration") {
        continue;
      }
      if (statement.type === "ExportNamedDeclaration") {
        if (statement.declaration) rewriter.visit(statement.declaration, statement);
      } else if (statement.type === "ExportDefaultDeclaration") {
        rewriter.visit(statement.declaration, statement);
      } else {
        rewriter.visit(statement, program);
      }
    }
    return rewriter;
  }

  /** Everything in front of the source, in its first line. */
  #head(usedGlobals: ReadonlySet<string>, edited: string): string {
    const p = this.#prefix;
    const standard = [...usedGlobals].filter((name) => this.#known.standard.has(name));
    const perProgram = [...usedGlobals].filter((name) => this.#known.perProgram.has(name));
    const globals = `${p}g`;
    const reads = perProgram.length > 0 ? `const {${perProgram.join(",")}}=${globals};` : "";
    const names = hiddenNames(p);
    // Only what the text uses, because every instance pays for it.
    const hooks = hookNames
      .map((hook): [string, string] => [hook, names[hook]])
      .filter(([, name]) => edited.includes(name) || (name === globals && reads !== ""))
      .map(([hook, name]) => `${hook}:${name}`);
    const slots = this.#requests.map((_, index) => `${p}i${index},${p}n${index}`).join(",");
    const hasRequests = this.#requests.length > 0;
    const imports = hasRequests ? `let ${slots};[${slots}]=` : "";
    return (
      `(function(${p}c){"use strict";const {${standard.join(",")}}=${p}c;` +
      `return function*({${hooks.join(",")}}){${reads}${imports}` +
      `yield ${this.#exportsText()};${hasRequests ? "yield;" : ""}`
    );
  }

  /** Text of an object that gives the module's own bindings, all together or one by name. */
  #exportsText(): string {
    const locals: (readonly [name: string, expression: string])[] = [];
    for (const [name, entry] of this.#exports) {
      if (entry.kind === "local") locals.push([JSON.stringify(name), entry.expression]);
    }
    const name = `${this.#prefix}e`;
    const getters = locals.map(([key, expression]) => `get ${key}(){return ${expression}}`);
    const cases = locals.map(([key, expression]) => `case ${key}:return ${expression};`);
    const all = `all:()=>({__proto__:null,${getters.join(",")}})`;
    return `{${all},one:(${name})=>{switch(${name}){${cases.join("")}}}}`;
  }

  /** The request of `specifier`: one for each module that is named. */
  #request(source: Literal, attributes: readonly unknown[] | undefined): number {
    if (attributes !== undefined && attributes.length > 0) {
      throw unsupported("an import attribute", source.start);
    }
    const specifier = String(source.value);
    const index = this.#requests.findIndex((request) => request.specifier === specifier);
    if (index >= 0) return index;
    this.#requests.push({ specifier, names: new Set(), needsNamespace: false });
    return this.#requests.length - 1;
  }

  #import(statement: AnyNode): void {
    if (statement.type === "ImportDeclaration") {
      this.#importDeclaration(statement);
      this.#edits.replaceNode(statement.start, statement.end, ";");
    } else if (
      statement.type === "ExportAllDeclaration" ||
      (statement.type === "ExportNamedDeclaration" && statement.source)
    ) {
      // The order of requests is the order of evaluation.
      this.#request(statement.source as Literal, statement.attributes);
    }
  }

  #importDeclaration(node: ImportDeclaration): void {
    const request = this.#request(node.source, node.attributes);
    for (const specifier of node.specifiers) {
      const local = specifier.local.name;
      if (specifier.type === "ImportNamespaceSpecifier") {
        this.#requests[request]!.needsNamespace = true;
        this.#imported.set(local, `${this.#prefix}n${request}`);
        this.#importedAs.set(local, { kind: "namespace", request });
        continue;
      }
      const name =
        specifier.type === "ImportDefaultSpecifier" ? "default" : moduleName(specifier.imported);
      this.#requests[request]!.names.add(name);
      this.#imported.set(local, `${this.#prefix}i${request}[${JSON.stringify(name)}]`);
      this.#importedAs.set(local, { kind: "indirect", request, name });
    }
  }

  #export(statement: AnyNode): void {
    if (statement.type === "ExportNamedDeclaration") this.#exportNamed(statement);
    else if (statement.type === "ExportDefaultDeclaration") this.#exportDefault(statement);
    else if (statement.type === "ExportAllDeclaration") this.#exportAll(statement);
  }

  #exportAll(node: ExportAllDeclaration): void {
    const request = this.#request(node.source, node.attributes);
    if (node.exported) {
      this.#requests[request]!.needsNamespace = true;
      this.#exports.set(moduleName(node.exported), { kind: "namespace", request });
    } else {
      this.#starRequests.push(request);
    }
    this.#edits.replaceNode(node.start, node.end, ";");
  }

  #exportNamed(node: ExportNamedDeclaration): void {
    if (node.declaration) {
      const { declaration } = node;
      const names =
        declaration.type === "VariableDeclaration"
          ? declaration.declarations.flatMap((declarator) => namesOfPattern(declarator.id))
          : [declaration.id.name];
      for (const name of names) this.#exports.set(name, { kind: "local", expression: name });
      this.#edits.replace(node.start, node.start + "export".length, "");
      return;
    }
    for (const specifier of node.specifiers) {
      const exported = moduleName(specifier.exported);
      const local = moduleName(specifier.local);
      if (node.source) {
        const request = this.#request(node.source, node.attributes);
        this.#exports.set(exported, { kind: "indirect", request, name: local });
      } else {
        const imported = this.#importedAs.get(local);
        this.#exports.set(exported, imported ?? { kind: "local", expression: local });
      }
    }
    this.#edits.replaceNode(node.start, node.end, ";");
  }

  #exportDefault(node: ExportDefaultDeclaration): void {
    const { declaration } = node;
    const keyword = this.#tokens.find(
      (token) => token.start > node.start && token.type.label === "default",
    )!;
    const isDeclaration =
      declaration.type === "FunctionDeclaration" || declaration.type === "ClassDeclaration";
    if (isDeclaration && declaration.id) {
      this.#exports.set("default", { kind: "local", expression: declaration.id.name });
      this.#edits.replace(node.start, keyword.end, "");
      return;
    }
    const hidden = `${this.#prefix}default`;
    this.#exports.set("default", { kind: "local", expression: hidden });
    if (declaration.type === "FunctionDeclaration") {
      // A function without a name is hoisted too, so it gets one.
      this.#edits.replace(node.start, keyword.end, "");
      const open = this.#source.slice(declaration.start).search(/\(/) + declaration.start;
      this.#edits.before(open, ` ${hidden}`);
      return;
    }
    // A property gives an anonymous class or arrow function the name `default`.
    this.#edits.replace(node.start, keyword.end, `const ${hidden}=({default:`);
    const hasSemicolon = this.#source[node.end - 1] === ";";
    this.#edits.after(hasSemicolon ? node.end - 1 : node.end, "}).default;");
  }
}

function moduleName(node: Identifier | Literal): string {
  return node.type === "Identifier" ? node.name : String(node.value);
}

function sourceMapUrl(comments: readonly Comment[]): string | undefined {
  for (const comment of [...comments].reverse()) {
    const match = /^[#@]\s*sourceMappingURL=(\S+)/.exec(comment.value);
    if (match !== null) return match[1];
  }
  return undefined;
}
