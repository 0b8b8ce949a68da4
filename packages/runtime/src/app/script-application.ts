/** A JavaScript bundle as an Application: CCF's apps run unmodified. */
import { bytesToLatin1, CocoError, type Log } from "@coco/base";
import { singletonKey, type Transaction } from "@coco/store";
import type {
  Admitted,
  Application,
  EndpointTable,
  ExecutionContext,
  Outcome,
} from "../application.ts";
import { type AppApi, createAppApi } from "../ccf-api/app-globals.ts";
import type { ScriptApiPorts } from "../ccf-api/common-globals.ts";
import { Invocation, InvocationSlot } from "../ccf-api/invocation.ts";
import { createStoredEndpointTable } from "../endpoints/endpoint-tables.ts";
import { isScriptHandler, type ScriptHandler } from "../endpoints/stored-endpoint.ts";
import { isInterruption } from "../interruption.ts";
import { rpcErrorResponse } from "../rpc-errors.ts";
import type { ModuleSource, Program, ScriptEngine } from "../script-engine.ts";
import { tableNames } from "../table-names.ts";
import {
  defaultRuntimeOptions,
  modulesTable,
  readRuntimeOptions,
  type StoredRuntimeOptions,
} from "../tables.ts";
import { ProgramCache } from "./program-cache.ts";
import { createRequestBody, createScriptRequest, requestPlace } from "./script-request.ts";
import { BadReturnValue, valueToResponse } from "./script-response.ts";

export interface ScriptApplicationOptions {
  readonly engine: ScriptEngine;
  readonly api: Omit<ScriptApiPorts, "console">;
  readonly log: Log;
  /** Default: `/app`. */
  readonly prefix?: string;
}

export interface ScriptApplication extends Application {
  /**
   * Throws away programs and transformed modules. To be called after a rollback, when what was
   * loaded may never have happened. After a termination nothing needs to be done.
   */
  flush(): void;
}

export function createScriptApplication(options: ScriptApplicationOptions): ScriptApplication {
  return new BundleApplication(options);
}

const exceptionMessage = "Exception thrown while executing.";

/** Key of tables that hold one value, in the store's own form, because each request reads two. */
const onlyKey = bytesToLatin1(singletonKey);

type RuntimeOptions = Required<StoredRuntimeOptions>;

class BundleApplication implements ScriptApplication {
  readonly name = "app";
  readonly prefix: string;
  readonly endpoints: EndpointTable = createStoredEndpointTable();
  readonly #engine: ScriptEngine;
  readonly #log: Log;
  readonly #slot = new InvocationSlot();
  readonly #api: AppApi;
  readonly #body: object;
  readonly #programs = new ProgramCache();
  #modules: ModuleSource;
  /** Seqno of the last change of the app that `#modules` and `#programs` know. */
  #flushMarker: number | undefined;
  #optionsText: string | undefined;
  #options: RuntimeOptions = defaultRuntimeOptions;

  constructor(options: ScriptApplicationOptions) {
    const { engine, api, log, prefix = "/app" } = options;
    this.prefix = prefix;
    this.#engine = engine;
    this.#log = log;
    const console = (level: Parameters<Log>[0], line: string) =>
      log(level, line, { source: "app" });
    this.#api = createAppApi({ ...api, console }, this.#slot);
    // One object for all requests, so no program may leave a mark on it.
    this.#body = harden(createRequestBody(this.#slot));
    this.#modules = this.#createModules();
  }

  flush(): void {
    this.#programs.clear();
    this.#modules = this.#createModules();
    this.#flushMarker = undefined;
    this.#optionsText = undefined;
    this.#options = defaultRuntimeOptions;
  }

  execute(transaction: Transaction, item: Admitted, context: ExecutionContext): Outcome {
    this.#refresh(transaction);
    const handler = context.endpoint.handler;
    if (!isScriptHandler(handler)) return failed("The endpoint has no handler.");
    const invocation = new Invocation(transaction, item.request, context);
    const outer = this.#slot.enter(invocation);
    try {
      return this.#run(invocation, handler);
    } catch (error) {
      return this.#explain(invocation, invocation.interruption ?? error);
    } finally {
      this.#slot.leave(outer);
    }
  }

  #run(invocation: Invocation, handler: ScriptHandler): Outcome {
    this.#api.reset();
    const { interpreterReuseKey } = handler;
    const call = (program: Program) => this.#call(program, invocation, handler);
    if (interpreterReuseKey === undefined) return call(this.#createProgram());
    // Read-only and read-write requests never share, as in CCF.
    const key = `${invocation.transaction.access} ${interpreterReuseKey}`;
    const countMax = this.#options.max_cached_interpreters;
    return this.#programs.use(key, countMax, () => this.#createProgram(), call);
  }

  #call(program: Program, invocation: Invocation, handler: ScriptHandler): Outcome {
    const request = createScriptRequest(invocation, this.prefix, this.#body);
    const value = program.call(handler.moduleName, handler.functionName, [request]);
    // The conversion can run code of the handler, so the invocation is still open.
    const response = valueToResponse(value);
    if (invocation.interruption !== undefined) throw invocation.interruption;
    if (this.#api.isLoggingMetrics()) this.#logMetrics(invocation, response.status);
    return {
      response,
      applyWrites: invocation.applyWrites ?? (response.status >= 200 && response.status < 300),
      ...(invocation.claimsDigest === undefined ? {} : { claimsDigest: invocation.claimsDigest }),
    };
  }

  /** Notices that the app or its options changed. */
  #refresh(transaction: Transaction): void {
    const marker = transaction.table(tableNames.interpreterFlush).versionOfText(onlyKey);
    if (marker !== this.#flushMarker) {
      this.#programs.clear();
      this.#modules = this.#createModules();
      this.#flushMarker = marker;
    }
    const optionsText = transaction.table(tableNames.runtimeOptions).getText(onlyKey);
    if (optionsText !== this.#optionsText) {
      const options = readRuntimeOptions(transaction);
      if (options.max_heap_bytes !== this.#options.max_heap_bytes) this.#programs.clear();
      this.#options = options;
      this.#optionsText = optionsText;
    }
  }

  #createProgram(): Program {
    const limits = { bufferBytesMax: this.#options.max_heap_bytes };
    return this.#engine.createProgram(this.#modules, this.#api.globals, limits);
  }

  /** Modules are read when they are first needed, by the transaction that needs them. */
  #createModules(): ModuleSource {
    return { read: (name) => modulesTable(this.#slot.transaction()).get(name) };
  }

  #explain(invocation: Invocation, error: unknown): Outcome {
    if (error instanceof BadReturnValue) {
      const thrown = error.thrown;
      return this.#failure(invocation, error.message, thrown === undefined ? [] : [thrown]);
    }
    if (isInterruption(error)) throw error;
    if (!(error instanceof CocoError)) return failed(exceptionMessage);
    if (error.code === "ModuleNotFound" || error.code === "ExportNotFound") {
      return failed(`${error.message}.`);
    }
    return this.#failure(invocation, exceptionMessage, [error]);
  }

  #failure(invocation: Invocation, message: string, thrown: readonly unknown[]): Outcome {
    const { log_exception_details: isLogged, return_exception_details: isReturned } = this.#options;
    if (thrown.length === 0 || !(isLogged || isReturned)) return failed(message);
    const { reason, trace } = this.#engine.describeFailure(this.#modules, thrown[0]);
    if (isLogged) {
      const facts = { source: "app", request: requestPlace(invocation.request) };
      this.#log("error", `${reason}: ${trace ?? "<no trace>"}`, facts);
    }
    const detail = {
      code: "JSException",
      message: reason,
      ...(trace === undefined ? {} : { trace }),
    };
    return failed(message, isReturned ? [detail] : undefined);
  }

  #logMetrics(invocation: Invocation, status: number): void {
    const { method } = invocation.request;
    const { path } = invocation.context.endpoint;
    this.#log("info", "JS execution complete", { source: "app", method, path, status });
  }
}

/** Code that failed half way changes nothing, even if it asked for its writes to be applied. */
function failed(message: string, details?: readonly unknown[]): Outcome {
  const response = rpcErrorResponse(500, "InternalError", message, details);
  return { response, applyWrites: false };
}
