/**
 * Serves batches of requests: routes, identifies the caller, runs the application on a store
 * transaction, commits, answers. While application code runs, the supervisor may terminate it at
 * any instruction (docs/adr/0001-watched-handlers.md): the whole batch is unwound then, so its
 * state is kept here, and `recover` goes on with the request after.
 */
import { type Crypto, isCocoError, type Log } from "@coco/base";
import {
  type Admitted,
  type Application,
  type AppRequest,
  type AppResponse,
  type Caller,
  type Endpoint,
  type EndpointMatch,
  type ExecutionContext,
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
import type { RunLimits, WatchedRuns } from "./execution-watch.ts";
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
  readonly watch: WatchedRuns;
  readonly crypto: Crypto;
  readonly log: Log;
  readonly authenticate: (
    endpoint: Endpoint,
    request: AppRequest,
    transaction: Transaction,
  ) => Authentication;
  readonly historical: HistoricalAccess;
  readonly lookUpHistorical: (request: AppRequest) => HistoricalLookup;
  /** Whether users may use applications: the service is open. */
  readonly isServiceOpen: (transaction: Transaction) => boolean;
  /** What a handler may use, as voted. */
  readonly runLimits: () => RunLimits;
  readonly uncommittedCountMax: number;
}

/** What a node does with requests that its primary has to answer. */
export interface PrimaryAccess<Front> {
  isForPrimary(endpoint: Endpoint, request: RequestView): boolean;
  /** Answers, now or later. */
  take(front: Front, request: RequestView, endpoint: Endpoint): void;
}

const conflictRetryCountMax = 30;

/** A batch that is being served, or that was cut short by a termination. */
interface Batch<Front> {
  readonly front: Front;
  readonly requests: readonly RequestView[];
  /** Of the request that is being served. */
  index: number;
}

export class Dispatcher<Front> {
  readonly #options: DispatcherOptions;
  readonly #applications = new Map<string, Application>();
  readonly #primary: PrimaryAccess<Front>;
  readonly #send: (front: Front, answer: Answer) => void;
  #batch: Batch<Front> | undefined;
  /** Of the handler that runs. */
  #transaction: Transaction | undefined;
  /** Figures for metrics. */
  readonly stats = { requestCount: 0, errorCount: 0, conflictCount: 0, terminatedCount: 0 };

  constructor(
    options: DispatcherOptions,
    primary: PrimaryAccess<Front>,
    send: (front: Front, answer: Answer) => void,
  ) {
    this.#options = options;
    this.#primary = primary;
    this.#send = send;
    for (const application of options.applications) {
      this.#applications.set(application.prefix, application);
    }
  }

  /** Serves `requests` in order. */
  serve(front: Front, requests: readonly RequestView[]): void {
    this.recover();
    this.stats.requestCount += requests.length;
    this.#batch = { front, requests, index: 0 };
    this.#continue();
  }

  /** To be called after each termination: answers the request that was terminated, and goes on. */
  recover(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    const { store, log, watch } = this.#options;
    const reason = watch.clear();
    store.repair();
    this.#transaction?.discard();
    this.#transaction = undefined;
    this.stats.terminatedCount++;
    const request = batch.requests[batch.index]!;
    log("warn", "handler terminated", { method: request.method, path: request.fullPath, reason });
    const limit = reason === "time" ? "execution time" : "memory";
    const message = `The handler was stopped: it exceeded the configured limit of ${limit}.`;
    this.#refuse(request, rpcErrorResponse(500, "InternalError", message));
    batch.index++;
    this.#continue();
  }

  #continue(): void {
    const batch = this.#batch!;
    this.#options.watch.setLimits(this.#options.runLimits());
    for (; batch.index < batch.requests.length; batch.index++) {
      this.#serveOne(batch.requests[batch.index]!);
    }
    this.#batch = undefined;
  }

  #serveOne(request: RequestView): void {
    try {
      this.#route(request);
    } catch (error) {
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
    const message =
      `Transaction continued to conflict after ${conflictRetryCountMax} attempts. ` +
      "Retry later.";
    this.#refuse(request, rpcErrorResponse(503, "TransactionCommitAttemptsExceedLimit", message));
  }

  /** @returns false when the transaction has to run again. */
  #attempt(application: Application, request: RequestView): boolean {
    const { store, isServiceOpen, consensus } = this.#options;
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
    if (!consensus.isPrimary && this.#primary.isForPrimary(endpoint, request)) {
      lookup.discard();
      this.#primary.take(this.#batch!.front, request, endpoint);
      return true;
    }
    const overload = endpoint.mode === "readwrite" ? this.#checkOverload() : undefined;
    if (overload !== undefined) return this.#refuse(request, overload);
    const authentication = this.#options.authenticate(endpoint, request, lookup);
    if (authentication.kind === "refused") return this.#refuse(request, authentication.response);
    try {
      return this.#execute(application, request, routing, authentication.caller, lookup);
    } catch (error) {
      if (isCocoError(error) && error.code === "TransactionConflict") return false;
      throw error;
    }
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
    this.#transaction = transaction;
    const outcome = this.#run(application, transaction, admitted, context);
    this.#transaction = undefined;
    return this.#finish(request, endpoint, transaction, outcome);
  }

  /** Only code of apps is watched; what else runs here is our own or has a guard of its own. */
  #run(
    application: Application,
    transaction: Transaction,
    admitted: Admitted,
    context: ExecutionContext,
  ): Outcome {
    if (application.prefix !== "/app") return application.execute(transaction, admitted, context);
    const { watch } = this.#options;
    watch.begin();
    try {
      return application.execute(transaction, admitted, context);
    } finally {
      watch.end();
    }
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
    const { front } = this.#batch!;
    this.#send(front, { request, response, txId, awaitedSeqno, wantsReceipt });
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
