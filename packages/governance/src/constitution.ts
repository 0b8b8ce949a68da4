/**
 * The constitution contract: the functions validate, resolve and apply of one module that the
 * members agreed on, and the ballots, which are scripts themselves. All of them run in the
 * sandbox, with the table access of their stage and under the time limit.
 */
import { assert } from "@coco/base";
import type { Guard, ModuleSource, Program, ScriptEngine } from "@coco/runtime";
import type { Transaction } from "@coco/store";
import { restrictTransaction, type ScriptAccess } from "./access.ts";
import { governanceErrors } from "./errors.ts";
import {
  type CallSlot,
  createBallotGlobals,
  createConstitutionGlobals,
  type HostApiPorts,
} from "./host-api.ts";
import { runScript, type ScriptResult } from "./script-runner.ts";
import { governanceTables } from "./tables.ts";

export interface Vote {
  readonly member_id: string;
  readonly vote: boolean;
}

export interface Validation {
  readonly isValid: boolean;
  readonly description: string;
}

/** The proposal on which a call decides. */
export interface ProposalCase {
  readonly text: string;
  readonly proposalId: string;
  readonly proposerId: string;
}

export interface Constitution {
  /** Undefined in the result: validate did not return an object. */
  validate(
    transaction: Transaction,
    source: string,
    proposal: string,
  ): ScriptResult<Validation | undefined>;
  /** What `resolve` returned, as text. */
  resolve(
    transaction: Transaction,
    source: string,
    proposal: ProposalCase,
    votes: readonly Vote[],
  ): ScriptResult<string>;
  apply(transaction: Transaction, source: string, proposal: ProposalCase): ScriptResult<undefined>;
  /** Runs the function `vote` of a ballot; only `true` is a yes. */
  vote(transaction: Transaction, ballot: string, proposal: ProposalCase): ScriptResult<boolean>;
  /** Whether a ballot compiles, evaluates and exports `vote`. */
  checkBallot(transaction: Transaction, ballot: string): ScriptResult<boolean>;
  /** @throws {CocoError} BadConstitution */
  check(source: string): void;
}

export interface ConstitutionPorts extends Omit<HostApiPorts, "validateConstitution"> {
  readonly engine: ScriptEngine;
  readonly guard: Guard;
  /** Puts the store in order after a script was terminated in the middle of a read or write. */
  readonly repairStore: () => void;
}

/** A text ready to run: every call gets a program of its own, so calls share no state. */
interface Loaded {
  readonly modules: ModuleSource;
  readonly globals: Readonly<Record<string, unknown>>;
  readonly slot: CallSlot;
}

/** Time that governance code has at least, whatever the application's limit is. */
export const executionTimeMsMin = 5000;
/** Time to load a proposed constitution: less than the call of validate around it has. */
const checkTimeMs = 2500;
const constitutionModule = "/public:ccf.gov.constitution[0]";
const ballotModule = "/public:ccf.gov.proposals_info.ballots";

/** The limit of the runtime options, never below the default. */
function timeLimitMs(transaction: Transaction): number {
  const options = governanceTables.jsRuntimeOptions.get(transaction);
  return Math.max(executionTimeMsMin, options?.max_execution_time_ms ?? 0);
}

/** Parameters each function has to take: smallest and largest count. */
const requiredFunctions = {
  validate: [1, 1],
  resolve: [3, 4],
  apply: [2, 2],
} as const;

function checkParameterCounts(counts: Readonly<Record<string, number>>): void {
  for (const [name, [countMin, countMax]] of Object.entries(requiredFunctions)) {
    const count = counts[name] ?? -1;
    if (count < 0) throw governanceErrors.create("BadConstitution", `${name} is not exported`);
    if (count < countMin || count > countMax) {
      const expected = countMin === countMax ? `${countMin}` : `${countMin} to ${countMax}`;
      throw governanceErrors.create(
        "BadConstitution",
        `${name} takes ${count} parameters, not ${expected}`,
      );
    }
  }
}

/** A module that reports the parameter count of each function of the module under test. */
const inspectorModule = "/inspect.js";
const inspectorSource = (subject: string, names: readonly string[]) => `
import * as subject from ${JSON.stringify(subject)};
const names = ${JSON.stringify(names)};
export function inspect() {
  return names.map((name) => (typeof subject[name] === "function" ? subject[name].length : -1));
}
`;

/** Reads the counts that `inspect` returned, as numbers. */
function toCounts(returned: unknown, names: readonly string[]): Record<string, number> {
  const list = returned as readonly unknown[];
  return Object.fromEntries(names.map((name, index) => [name, Number(list[index])]));
}

/** Loaded texts, of which the least recently used one goes first. */
class RecentTexts {
  readonly #countMax: number;
  readonly #loaded = new Map<string, Loaded>();

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get(text: string, load: () => Loaded): Loaded {
    const loaded = this.#loaded.get(text) ?? load();
    this.#loaded.delete(text);
    this.#loaded.set(text, loaded);
    const [oldest] = this.#loaded.keys();
    if (this.#loaded.size > this.#countMax && oldest !== undefined) this.#loaded.delete(oldest);
    return loaded;
  }
}

class SandboxedConstitution implements Constitution {
  readonly #ports: ConstitutionPorts;
  readonly #hostPorts: HostApiPorts;
  /** By text: a constitution serves many proposals, and members' ballots are often the same. */
  readonly #constitutions = new RecentTexts(4);
  readonly #ballots = new RecentTexts(64);

  constructor(ports: ConstitutionPorts) {
    this.#ports = ports;
    this.#hostPorts = { ...ports, validateConstitution: (text) => this.check(text) };
  }

  validate(transaction: Transaction, source: string, proposal: string) {
    return this.#call(
      transaction,
      "governanceReadOnly",
      source,
      "validate",
      [proposal],
      (value) => {
        if (typeof value !== "object" || value === null) return undefined;
        const { valid, description } = value as Record<string, unknown>;
        return {
          isValid: valid === true,
          description: typeof description === "string" ? description : "",
        };
      },
    );
  }

  resolve(
    transaction: Transaction,
    source: string,
    proposal: ProposalCase,
    votes: readonly Vote[],
  ) {
    const list = votes.map(({ member_id, vote }) => ({ member_id, vote }));
    const args = [proposal.text, proposal.proposerId, list, proposal.proposalId];
    return this.#call(transaction, "governanceReadOnly", source, "resolve", args, (value) =>
      typeof value === "string" ? value : String(value),
    );
  }

  apply(transaction: Transaction, source: string, proposal: ProposalCase) {
    const args = [proposal.text, proposal.proposalId];
    return this.#call(transaction, "governanceApply", source, "apply", args, () => undefined);
  }

  vote(transaction: Transaction, ballot: string, proposal: ProposalCase) {
    const loaded = this.#loadBallot(ballot);
    const args = [proposal.text, proposal.proposerId];
    return this.#guarded(transaction, "governanceReadOnly", loaded, (program) => {
      return program.call(ballotModule, "vote", args) === true;
    });
  }

  checkBallot(transaction: Transaction, ballot: string) {
    const loaded = this.#loadBallot(ballot);
    return this.#guarded(transaction, "governanceReadOnly", loaded, (program) => {
      return toCounts(program.call(inspectorModule, "inspect", []), ["vote"])["vote"] !== -1;
    });
  }

  check(source: string): void {
    if (source === "") throw governanceErrors.create("BadConstitution", "it is empty");
    const names = Object.keys(requiredFunctions);
    const sources = new Map([
      [constitutionModule, source],
      [inspectorModule, inspectorSource(constitutionModule, names)],
    ]);
    // Without a transaction: looking at the text has no effects.
    const { modules, globals } = this.#load(sources, createConstitutionGlobals);
    const { engine, guard } = this.#ports;
    const describe = (thrown: unknown) => engine.describeFailure(modules, thrown);
    const result = runScript(guard, checkTimeMs, describe, () =>
      toCounts(engine.createProgram(modules, globals).call(inspectorModule, "inspect", []), names),
    );
    if (result.kind === "threw") {
      throw governanceErrors.create("BadConstitution", result.failure.reason);
    }
    checkParameterCounts(result.value);
  }

  #call<Value>(
    transaction: Transaction,
    access: ScriptAccess,
    source: string,
    name: "validate" | "resolve" | "apply",
    args: readonly unknown[],
    reduce: (returned: unknown) => Value,
  ): ScriptResult<Value> {
    const loaded = this.#loadConstitution(source);
    return this.#guarded(transaction, access, loaded, (program) =>
      reduce(program.call(constitutionModule, name, args)),
    );
  }

  #guarded<Value>(
    transaction: Transaction,
    access: ScriptAccess,
    { modules, globals, slot }: Loaded,
    action: (program: Program) => Value,
  ): ScriptResult<Value> {
    assert(slot.restricted === undefined, "A text runs one call at a time.");
    const { engine, guard, repairStore } = this.#ports;
    const timeoutMs = timeLimitMs(transaction);
    const describe = (thrown: unknown) => engine.describeFailure(modules, thrown);
    slot.restricted = restrictTransaction(transaction, access);
    slot.effects = access === "governanceApply" ? transaction : undefined;
    try {
      const result = runScript(guard, timeoutMs, describe, () =>
        action(engine.createProgram(modules, globals)),
      );
      if (slot.conflict !== undefined) throw slot.conflict;
      if (result.kind === "threw" && result.isTimeout) repairStore();
      return result;
    } finally {
      slot.restricted = undefined;
      slot.effects = undefined;
      slot.conflict = undefined;
    }
  }

  #loadConstitution(source: string): Loaded {
    return this.#constitutions.get(source, () =>
      this.#load(new Map([[constitutionModule, source]]), createConstitutionGlobals),
    );
  }

  #loadBallot(ballot: string): Loaded {
    return this.#ballots.get(ballot, () => {
      const sources = new Map([
        [ballotModule, ballot],
        [inspectorModule, inspectorSource(ballotModule, ["vote"])],
      ]);
      return this.#load(sources, createBallotGlobals);
    });
  }

  #load(
    sources: ReadonlyMap<string, string>,
    createGlobals: typeof createConstitutionGlobals,
  ): Loaded {
    const slot: CallSlot = { restricted: undefined, effects: undefined, conflict: undefined };
    const globals = createGlobals(this.#hostPorts, slot);
    return { modules: { read: (name) => sources.get(name) }, globals, slot };
  }
}

/** Makes the runner of constitutions and ballots. */
export function createConstitution(ports: ConstitutionPorts): Constitution {
  return new SandboxedConstitution(ports);
}
