/**
 * Serves batches of requests: routes, identifies the caller, runs the application on a store
 * transaction, commits, answers. Everything that application code can reach runs inside one time
 * guard per batch, which may terminate it at any instruction (docs/adr/0001-batch-guard.md); so
 * inside the guard each step leaves its result in one assignment, and answers are encoded outside.
 */
import { assert, type Crypto, isCocoError, type Log } from "@coco/base";
import {
  type Application,
  type AppRequest,
  type AppResponse,
  type Caller,
  type Endpoint,
  type EndpointMatch,
  type ExecutionContext,
  type Guard,
  type HistoricalAccess,
  type HistoricalState,
  type Outcome,
  routeRequest,
  rpcErrorResponse,
} from "@coco/runtime";
import type { Access, Store, Transaction } from "@coco/store";
import type { ConsensusPort } from "../api/ports.ts";
import type { RequestView } from "../wire.ts";
import { errorToResponse } from "./error-responses.ts";
import type { LedgerPipeline } from "./ledger-pipeline.ts";

/** What a request came to. Transaction ids are given as text, ready for the header. */
export interface Answer {
  readonly request: RequestView;
  readonly response: AppResponse;
  /** Undefined on errors and for endpoints that do not touch the store. */
  readonly txId: string | undefined;
  /** Send only when this seqno is committed; 0: at once. */
  readonly awaitedSeqno: number;
  /** The caller wants the receipt in the response. */
  readonly wantsReceipt: boolean;
}

export type Authentication =
  | { readonly kind: "passed"; readonly caller: Caller }
  | { readonly kind: "refused"; readonly response: AppResponse };

/** The past state that a request to a `historical` endpoint asks for, or the answer meanwhile. */
export type HistoricalLookup =
  | { readonly kind: "found"; readonly state: HistoricalState }
  | { readonly kind: "answered"; readonly response: AppResponse };

export interface DispatcherOptions {
  readonly applications: readonly Application[];
  readonly store: Store;
  readonly pipeline: LedgerPipeline;
  readonly consensus: ConsensusPort;
  readonly guard: Guard;
  readonly crypto: Crypto;
  readonly log: Log;
  readonly nowMs: () => number;
  readonly authenticate: (
    endpoint: Endpoint,
    request: AppRequest,
    transaction: Transaction,
  ) => Authentication;
  readonly historical: HistoricalAccess;
  readonly lookUpHistorical: (request: AppRequest) => HistoricalLookup;
  /** Whether users may use applications: the service is open. */
  readonly isServiceOpen: (transaction: Transaction) => boolean;
  /** Milliseconds that a handler may take, as voted. */
  readonly executionTimeMs: () => number;
  /** A handler was terminated: interpreters that may be inconsistent must go. */
  readonly onTerminated: () => void;
  readonly uncommittedCountMax: number;
}

/** Requests of one guarded run at most. */
const guardedCountMax = 64;
const conflictRetryCountMax = 30;
/** Share of the time limit after which a batch takes no further handler. */
const batchShare = 0.1;

interface Running {
  readonly request: RequestView;
  /** Known before the commit, so that a commit that was terminated late can still be answered. */
  outcome:
    | { readonly response: AppResponse; readonly claimsDigest: Uint8Array | undefined }
    | undefined;
}

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #applications = new Map<string, Application>();
  #answers: Answer[] = [];
  #running: Running | undefined;
  #pushedSeqno: number;
  /** Figures for metrics. */
  readonly stats = { requestCount: 0, errorCount: 0, conflictCount: 0, terminatedCount: 0 };

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#pushedSeqno = options.store.seqno;
    for (const application of options.applications) {
      this.#applications.set(application.prefix, application);
    }
  }

  /** Serves `requests` in order. */
  serve(requests: readonly RequestView[]): readonly Answer[] {
    const { executionTimeMs, guard, nowMs, store } = this.#options;
    this.#answers = [];
    this.#pushedSeqno = store.seqno;
    const limitMs = executionTimeMs();
    let index = 0;
    while (index < requests.length) {
      const endIndex = Math.min(index + guardedCountMax, requests.length);
      const endMs = nowMs() + limitMs * batchShare;
      try {
        guard.run(limitMs, () => {
          while (index < endIndex) {
            this.#serveOne(requests[index]!);
            index++;
            if (nowMs() > endMs) break;
          }
        });
      } catch (error) {
        this.#recover(requests[index]!, error);
        index++;
      }
    }
    this.stats.requestCount += requests.length;
    return this.#answers;
  }

  /** After a termination or an error that no handler caught: the store first, then the answer. */
  #recover(request: RequestView, error: unknown): void {
    const { store, log, onTerminated } = this.#options;
    const isOvertime = isCocoError(error) && error.code === "ExecutionTimeLimit";
    store.repair();
    onTerminated();
    if (isOvertime) this.stats.terminatedCount++;
    const isAnswered = this.#answers.at(-1)?.request === request;
    const { outcome } = this.#running ?? {};
    if (store.seqno > this.#pushedSeqno && !isAnswered) {
      const changes = store.changesOf(store.seqno);
      assert(changes !== undefined && outcome !== undefined, "a commit has changes and an outcome");
      this.#push(store.seqno, changes, outcome.claimsDigest);
      this.#answer(request, outcome.response, this.#txIdText(store.seqno), 0, false);
      return;
    }
    if (isAnswered) return;
    log(isOvertime ? "warn" : "error", isOvertime ? "handler terminated" : "request failed", {
      method: request.method,
      path: request.fullPath,
      error: isOvertime ? "time limit" : String(error),
    });
    const message = isOvertime
      ? "Operation took too long to complete: the handler exceeded the configured execution time."
      : "Exception thrown while executing.";
    this.#answer(request, rpcErrorResponse(500, "InternalError", message), undefined, 0, false);
  }

  #serveOne(request: RequestView): void {
    this.#running = { request, outcome: undefined };
    try {
      this.#route(request);
    } catch (error) {
      if (isCocoError(error) && error.code === "ExecutionTimeLimit") throw error;
      this.#refuse(request, errorToResponse(error, this.#options.log));
    }
  }

  #route(request: RequestView): void {
    const { fullPath } = request;
    const slash = fullPath.indexOf("/", 1);
    const prefix = slash < 0 ? fullPath : fullPath.slice(0, slash);
    const application = this.#applications.get(prefix);
    if (application === undefined || slash < 0) {
      this.#refuse(
        request,
        rpcErrorResponse(404, "ResourceNotFound", `Unknown path: ${fullPath}.`),
      );
      return;
    }
    request.prefix = prefix;
    for (let attempt = 1; attempt <= conflictRetryCountMax; attempt++) {
      if (this.#attempt(application, request)) return;
      this.stats.conflictCount++;
    }
    const message = `Transaction continued to conflict after ${conflictRetryCountMax} attempts. Retry later.`;
    this.#refuse(request, rpcErrorResponse(503, "TransactionCommitAttemptsExceedLimit", message));
  }

  /** @returns false when the transaction has to run again. */
  #attempt(application: Application, request: RequestView): boolean {
    const { store, isServiceOpen } = this.#options;
    const lookup = store.begin(application.prefix === "/app" ? "application" : "node");
    const routing = routeRequest(application.endpoints, lookup, request);
    // A closed application does not even say which paths it has.
    const needsOpenService =
      routing.kind === "answered"
        ? application.prefix === "/app"
        : routing.endpoint.isOpenBeforeService !== true;
    if (needsOpenService && !isServiceOpen(lookup)) {
      const message = "Frontend is not open.";
      return this.#refuse(request, rpcErrorResponse(404, "FrontendNotOpen", message));
    }
    if (routing.kind === "answered") return this.#refuse(request, routing.response);
    const { endpoint } = routing;
    const overload = endpoint.mode === "readwrite" ? this.#checkOverload() : undefined;
    if (overload !== undefined) return this.#refuse(request, overload);
    const authentication = this.#options.authenticate(endpoint, request, lookup);
    if (authentication.kind === "refused") return this.#refuse(request, authentication.response);
    return this.#execute(application, request, routing, authentication.caller, lookup);
  }

  #execute(
    application: Application,
    request: RequestView,
    { endpoint, params }: Extract<EndpointMatch, { kind: "found" }>,
    caller: Caller,
    lookup: Transaction,
  ): boolean {
    const { store, consensus, historical, lookUpHistorical } = this.#options;
    let historicalState: HistoricalState | undefined;
    if (endpoint.mode === "historical") {
      const found = lookUpHistorical(request);
      if (found.kind === "answered") {
        this.#answer(request, found.response, undefined, 0, false);
        return true;
      }
      historicalState = found.state;
    }
    const context: ExecutionContext = {
      endpoint,
      params,
      caller,
      consensus,
      historical,
      nowMs: Date.now(),
      ...(historicalState === undefined ? {} : { historicalState }),
    };
    // Reading on with the transaction that found the endpoint saves making another.
    const access = accessOf(application, endpoint);
    const transaction = access === lookup.access ? lookup : store.begin(access);
    const admitted = application.admit?.(request) ?? { request };
    const outcome = application.execute(transaction, admitted, context);
    return this.#finish(request, endpoint, transaction, outcome);
  }

  /** Commits as the outcome says. @returns false on a conflict */
  #finish(
    request: RequestView,
    endpoint: Endpoint,
    transaction: Transaction,
    outcome: Outcome,
  ): boolean {
    const { store } = this.#options;
    const { response, claimsDigest } = outcome;
    if (!outcome.applyWrites) {
      const isShown = response.status < 400 && endpoint.isStoreFree !== true;
      const txId = isShown ? this.#txIdText(transaction.readVersion) : undefined;
      transaction.discard();
      this.#answer(request, response, txId, 0, false);
      return true;
    }
    this.#running!.outcome = { response, claimsDigest };
    const result = store.commit(transaction);
    if (result.kind === "conflict") return false;
    if (result.kind === "committed") this.#push(result.seqno, result.changes, claimsDigest);
    if (response.status >= 400 && result.kind !== "committed") {
      this.#answer(request, response, undefined, 0, false);
      return true;
    }
    const txId = endpoint.isStoreFree === true ? undefined : this.#txIdText(result.seqno);
    const wait = waitOf(request, endpoint);
    const isWaiting = wait !== "none" && result.kind === "committed";
    this.#answer(request, response, txId, isWaiting ? result.seqno : 0, wait === "receipt");
    return true;
  }

  #push(
    seqno: number,
    changes: Parameters<LedgerPipeline["push"]>[0]["changes"],
    claimsDigest: Uint8Array | undefined,
  ): void {
    const { pipeline, consensus } = this.#options;
    pipeline.push({ view: consensus.view, seqno, changes, claimsDigest });
    this.#pushedSeqno = seqno;
  }

  #checkOverload(): AppResponse | undefined {
    const { pipeline, uncommittedCountMax } = this.#options;
    const count = pipeline.uncommittedCount;
    if (count < uncommittedCountMax && !pipeline.isOverloaded) return undefined;
    const message = `Too many transactions are waiting to be committed (${count}). Retry later.`;
    const response = rpcErrorResponse(503, "TooManyPendingTransactions", message);
    return { ...response, headers: { ...response.headers, "retry-after": "1" } };
  }

  #txIdText(seqno: number): string {
    const view = this.#options.consensus.viewOf(seqno) ?? this.#options.consensus.view;
    return `${view}.${seqno}`;
  }

  /** @returns true: the request is answered */
  #refuse(request: RequestView, response: AppResponse): true {
    if (response.status >= 400) this.stats.errorCount++;
    this.#answer(request, response, undefined, 0, false);
    return true;
  }

  #answer(
    request: RequestView,
    response: AppResponse,
    txId: string | undefined,
    awaitedSeqno: number,
    wantsReceipt: boolean,
  ): void {
    this.#answers.push({ request, response, txId, awaitedSeqno, wantsReceipt });
  }
}

function accessOf(application: Application, endpoint: Endpoint): Access {
  if (application.prefix !== "/app") return "node";
  return endpoint.mode === "readwrite" ? "application" : "applicationReadOnly";
}

/** How long the caller wants to wait: the header `x-coco-wait`, or the endpoint's own rule. */
function waitOf(request: RequestView, endpoint: Endpoint): "none" | "committed" | "receipt" {
  const wanted = request.headers.get("x-coco-wait");
  if (wanted === "committed" || wanted === "receipt") return wanted;
  return endpoint.respondAfterCommit === true ? "committed" : "none";
}
