/** Runs the governance application on a store, with authentication, as a node does. */
import { randomBytes } from "node:crypto";
import { runInThisContext } from "node:vm";
import { bytesToUtf8, utf8ToBytes } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import {
  type AppRequest,
  type AppResponse,
  type ConsensusView,
  createAuthenticator,
  createSesEngine,
  type Guard,
  refusalToResponse,
  routeRequest,
  scriptErrors,
} from "@coco/runtime";
import { type CommitResult, createStore, type Store, type Transaction } from "@coco/store";
import { createConstitution } from "./constitution.ts";
import { createGovernanceApplication } from "./governance-application.ts";
import { commonGlobals } from "./host-globals.testing.ts";
import type { NodeServices, RecoveryServices } from "./node-services.ts";

export const crypto = createNodeCrypto();

/** Ends code that runs too long, by the timeout of node:vm. */
function runWithTimeout<Result>(timeoutMs: number, action: () => Result): Result {
  const scope = globalThis as { guarded?: () => unknown };
  const outer = scope.guarded;
  scope.guarded = action;
  try {
    return runInThisContext("guarded()", { timeout: timeoutMs });
  } catch (error) {
    const isTimeout = (error as { code?: string }).code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
    throw isTimeout ? scriptErrors.create("ExecutionTimeLimit") : error;
  } finally {
    if (outer === undefined) delete scope.guarded;
    else scope.guarded = outer;
  }
}

const engine = createSesEngine({
  rng: { bytes: (length) => new Uint8Array(randomBytes(length)) },
  nowMs: () => 1_795_169_000_000,
});

const authenticator = createAuthenticator({ verifier: crypto });

export interface TestAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: bodies are compared, not typed
  readonly json: any;
  /** What was written; undefined when the transaction was discarded. */
  readonly committed: CommitResult | undefined;
}

/** What the node was asked to do, in order. */
export type Effect = readonly [name: string, ...args: unknown[]];

const testConsensus: ConsensusView = {
  view: 2,
  lastCommitted: () => ({ view: 2, seqno: 21 }),
  status: ({ seqno }) => (seqno <= 21 ? "Committed" : "Unknown"),
  viewOf: (seqno) => (seqno <= 21 ? 2 : undefined),
};

export class GovernanceHost {
  readonly store: Store = createStore();
  readonly effects: Effect[] = [];
  /** Makes the time limits shorter, for tests that reach them. */
  impatience = 1;
  isReadingPrivateLedger = false;
  recoveryFailure: Error | undefined;
  snapshotFailure: Error | undefined;
  readonly application;

  constructor() {
    const services = this.#services();
    const guard: Guard = {
      run: (timeoutMs, action) => runWithTimeout(timeoutMs / this.impatience, action),
    };
    const constitution = createConstitution({
      createCommonGlobals: commonGlobals,
      engine,
      guard,
      repairStore: () => this.store.repair(),
      services,
      verifier: crypto,
    });
    this.application = createGovernanceApplication({
      constitution,
      hash: crypto,
      recovery: this.#recovery(),
      rootAtReadVersion: (transaction) => this.rootAt(transaction.readVersion),
      services,
    });
  }

  /** Stands for the Merkle root, which a ledger would have. */
  rootAt(seqno: number): Uint8Array {
    return crypto.sha256(utf8ToBytes(`root at ${seqno}`));
  }

  /** What the node does beside issuing shares; by default nothing. */
  protected openService(
    _transaction: Transaction,
    _previous: string | undefined,
    _next: string,
  ): void {}

  #services(): NodeServices {
    const note =
      (name: string) =>
      (_transaction: Transaction, ...args: unknown[]) => {
        this.effects.push([name, ...args]);
      };
    return {
      triggerLedgerRekey: note("rekey"),
      transitionServiceToOpen: (transaction, previous, next) => {
        this.effects.push(["open", previous, next]);
        this.openService(transaction, previous, next);
      },
      triggerRecoverySharesRefresh: note("refreshShares"),
      triggerLedgerChunk: note("chunk"),
      triggerSnapshot: () => {
        if (this.snapshotFailure !== undefined) throw this.snapshotFailure;
        this.effects.push(["snapshot"]);
      },
      latestLedgerSecretSeqno: () => 17,
      generateEndorsedCertificate: (...args) => {
        this.effects.push(["endorse", ...args]);
        return "endorsed certificate";
      },
      generateNetworkCertificate: (...args) => {
        this.effects.push(["renew", ...args]);
        return "renewed certificate";
      },
    };
  }

  #recovery(): RecoveryServices {
    return {
      isReadingPrivateLedger: () => this.isReadingPrivateLedger,
      sealSubmittedShare: (_transaction, share) => share.map((byte) => byte ^ 0x55),
      initiatePrivateRecovery: () => {
        if (this.recoveryFailure !== undefined) throw this.recoveryFailure;
        this.effects.push(["recover"]);
      },
    };
  }

  /** Runs a transaction of the node. */
  write<Result>(action: (transaction: Transaction) => Result): Result {
    const transaction = this.store.begin("node");
    const result = action(transaction);
    if (this.store.commit(transaction).kind === "conflict") throw new Error("conflict");
    return result;
  }

  read<Result>(action: (transaction: Transaction) => Result): Result {
    const transaction = this.store.begin("node");
    const result = action(transaction);
    transaction.discard();
    return result;
  }

  /** @param path under `/gov`; the api version is added when there is no query */
  send(
    method: string,
    path: string,
    body: Uint8Array = new Uint8Array(0),
    contentType = "application/cose",
  ): TestAnswer {
    const url = path.includes("?") ? path : `${path}?api-version=2024-07-01`;
    const headers = new Map([["content-type", contentType]]);
    const [pathOnly = "", query = ""] = url.split("?");
    const request: AppRequest = {
      method,
      url: `/gov${url}`,
      path: pathOnly,
      query,
      headers,
      body,
      session: { id: 1, interfaceName: "test", certificate: undefined },
    };
    const transaction = this.store.begin("node");
    const { response, applyWrites } = this.#answer(transaction, request);
    const committed = applyWrites ? this.store.commit(transaction) : undefined;
    if (!applyWrites) transaction.discard();
    const text = typeof response.body === "string" ? response.body : bytesToUtf8(response.body);
    const isJson = response.headers["content-type"] === "application/json";
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson ? JSON.parse(text) : undefined,
      committed,
    };
  }

  #answer(
    transaction: Transaction,
    request: AppRequest,
  ): { readonly response: AppResponse; readonly applyWrites: boolean } {
    const routing = routeRequest(this.application.endpoints, transaction, request);
    if (routing.kind === "answered") return { response: routing.response, applyWrites: false };
    const { endpoint, params } = routing;
    const nowMs = 1_795_169_000_000;
    const input = { request, transaction, nowMs };
    const authentication = authenticator.authenticate(endpoint.authnPolicies, input);
    if (authentication.kind !== "caller") {
      return { response: refusalToResponse(authentication), applyWrites: false };
    }
    return this.application.execute(
      transaction,
      { request },
      {
        endpoint,
        params,
        caller: authentication.caller,
        consensus: testConsensus,
        historical: { range: () => undefined, drop: () => undefined },
        nowMs,
      },
    );
  }
}

/** Tables of the store, as text, to compare states. */
export function dump(store: Store): Record<string, Record<string, string>> {
  const transaction = store.begin("node");
  const tables = store.tableNames().map((name) => {
    const rows = [...transaction.table(name).rangeText()].map(([key, value]) => [
      key === "\0".repeat(8) ? "singleton" : key,
      value,
    ]);
    return [name, Object.fromEntries(rows)];
  });
  transaction.discard();
  return Object.fromEntries(tables);
}
