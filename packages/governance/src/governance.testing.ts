/** A small service for the tests of this room: store, members with keys, and signed requests. */
import { randomBytes } from "node:crypto";
import { runInThisContext } from "node:vm";
import {
  bytesToHex,
  bytesToUtf8,
  type CborValue,
  createCertificate,
  decodeCoseSign1,
  keyIdToBytes,
  signCoseSign1,
  utf8ToBytes,
} from "@coco/base";
import {
  createNodeCrypto,
  generateEncryptionKey,
  generateSigningKey,
  type SigningKey,
} from "@coco/base/node";
import {
  type AppRequest,
  type Caller,
  type ConsensusView,
  createSesEngine,
  type ExecutionContext,
  type Guard,
  scriptErrors,
} from "@coco/runtime";
import { createStore, type Store, type Transaction } from "@coco/store";
import { defaultConstitution } from "./constitution/constitutions.ts";
import { createConstitution } from "./constitution.ts";
import { createGenesis, type GenesisRequest } from "./genesis.ts";
import { createGovernanceApplication } from "./governance-application.ts";
import { commonGlobals, testKeys } from "./host-globals.testing.ts";
import { certificateToId } from "./members.ts";
import type { NodeServices, RecoveryServices } from "./node-services.ts";
import { governanceTables, internalTables } from "./tables.ts";

export const crypto = createNodeCrypto();

/** Ends code that runs too long, by the timeout of node:vm; a fifth of the time is enough. */
export const vmGuard: Guard = {
  run: (timeoutMs, action) => {
    const scope = globalThis as { guarded?: () => unknown };
    const outer = scope.guarded;
    scope.guarded = action;
    try {
      return runInThisContext("guarded()", { timeout: timeoutMs / 5 });
    } catch (error) {
      const isTimeout = (error as { code?: string }).code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
      throw isTimeout ? scriptErrors.create("ExecutionTimeLimit") : error;
    } finally {
      if (outer === undefined) delete scope.guarded;
      else scope.guarded = outer;
    }
  },
};

export const engine = createSesEngine({
  rng: { bytes: (length) => new Uint8Array(randomBytes(length)) },
  nowMs: () => 1_795_169_000_000,
});

const day = 86_400_000;
const nowMs = Date.UTC(2026, 10, 20);

export function selfSigned(name: string, key: SigningKey): string {
  return createCertificate({
    subject: `CN=${name}`,
    publicKey: key.publicKey,
    signer: key,
    notBeforeMs: nowMs - day,
    notAfterMs: nowMs + 365 * day,
    serial: crypto.bytes(16),
    hash: crypto,
    isAuthority: true,
  });
}

export interface TestMember {
  readonly id: string;
  readonly certificate: string;
  readonly key: SigningKey;
  readonly encryptionPublicKey: string;
}

export function createTestMember(name: string): TestMember {
  const key = generateSigningKey();
  const certificate = selfSigned(name, key);
  return {
    id: certificateToId(crypto, certificate),
    certificate,
    key,
    encryptionPublicKey: generateEncryptionKey().publicPem,
  };
}

export interface SignOptions {
  readonly type: string;
  readonly payload?: unknown;
  /** Bytes instead of JSON. */
  readonly raw?: Uint8Array;
  readonly createdAt?: number;
  readonly proposalId?: string;
}

let clock = 1_795_169_100;

/** A COSE_Sign1 message as a member's tool makes it. */
export function sign(member: TestMember, options: SignOptions): Uint8Array {
  const headers = new Map<CborValue, CborValue>([
    [4, keyIdToBytes(member.id)],
    ["ccf.gov.msg.type", options.type],
    ["ccf.gov.msg.created_at", options.createdAt ?? clock++],
  ]);
  if (options.proposalId !== undefined) {
    headers.set("ccf.gov.msg.proposal_id", options.proposalId);
  }
  const json = options.payload === undefined ? "" : JSON.stringify(options.payload);
  const payload = options.raw ?? utf8ToBytes(json);
  return signCoseSign1({ signer: member.key, headers, payload });
}

export interface TestAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: bodies are compared, not typed
  readonly json: any;
}

/** What the node was asked to do, in order. */
export type Effect = readonly [name: string, ...args: unknown[]];

export class TestService {
  readonly store: Store = createStore();
  readonly effects: Effect[] = [];
  readonly members: readonly TestMember[];
  isReadingPrivateLedger = false;
  recoveryFailure: Error | undefined;
  /** Stands for the Merkle root, which the ledger would have. */
  rootSeed = 0;
  readonly application;

  constructor(members: readonly TestMember[], constitution = defaultConstitution) {
    this.members = members;
    const services = this.#services();
    const runner = createConstitution({
      createCommonGlobals: commonGlobals,
      engine,
      guard: vmGuard,
      keys: testKeys,
      services,
      repairStore: () => this.store.repair(),
    });
    this.application = createGovernanceApplication({
      constitution: runner,
      hash: crypto,
      recovery: this.#recovery(),
      rootAtReadVersion: (transaction) =>
        crypto.sha256(utf8ToBytes(`${this.rootSeed}:${transaction.readVersion}`)),
      services,
    });
    this.write((transaction) => createGenesis(transaction, crypto, this.#genesis(constitution)));
  }

  #genesis(constitution: string): GenesisRequest {
    const serviceKey = generateSigningKey();
    return {
      nodeId: "0f".repeat(32),
      nodeInfo: {
        status: "Trusted",
        quote_info: { format: "Insecure_Virtual", quote: "e30=", endorsements: "" },
        encryption_pub_key: "",
        certificate_signing_request: "request",
        rpc_interfaces: {
          primary_rpc_interface: {
            bind_address: "127.0.0.1:8000",
            published_address: "127.0.0.1:8000",
          },
        },
        node_to_node_interface: { bind_address: "127.0.0.1:8001" },
      },
      nodeCertificate: "node certificate",
      serviceCertificate: selfSigned("Service", serviceKey),
      createTxId: "2.1",
      platform: { format: "Insecure_Virtual", measurement: "m", hostData: "ab".repeat(32) },
      genesis: {
        members: this.members.map(({ certificate, encryptionPublicKey }) => ({
          certificate,
          encryptionPublicKey,
        })),
        constitution,
        configuration: { maximum_node_certificate_validity_days: 365, recovery_threshold: 1 },
      },
    };
  }

  #services(): NodeServices {
    const note =
      (name: string) =>
      (_transaction: Transaction, ...args: unknown[]) => {
        this.effects.push([name, ...args]);
      };
    return {
      triggerLedgerRekey: note("rekey"),
      transitionServiceToOpen: note("open"),
      triggerRecoverySharesRefresh: note("refreshShares"),
      triggerLedgerChunk: note("chunk"),
      triggerSnapshot: note("snapshot"),
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

  /** Stands for a signature transaction. */
  signLedger(root = "5a".repeat(32)): void {
    this.write((transaction) =>
      internalTables.signatures.set(transaction, {
        commit_seqno: 0,
        commit_view: 0,
        node: "0f".repeat(32),
        root,
        seqno: this.store.seqno + 1,
        sig: "",
        view: 2,
      }),
    );
  }

  /** Every member acknowledges; the service opens. */
  open(): void {
    this.signLedger();
    for (const member of this.members) this.activate(member);
    this.write((transaction) => {
      const info = governanceTables.serviceInfo.get(transaction);
      if (info !== undefined) {
        governanceTables.serviceInfo.set(transaction, { ...info, status: "Open" });
      }
    });
  }

  activate(member: TestMember): TestAnswer {
    const path = `/members/state-digests/${member.id}`;
    const updated = this.post(`${path}:update`, member, { type: "state_digest" });
    const { stateDigest } = updated.json;
    return this.post(`${path}:ack`, member, { type: "ack", payload: { stateDigest } });
  }

  get(path: string): TestAnswer {
    const url = path.includes("?") ? path : `${path}?api-version=2024-07-01`;
    return this.#send("GET", url, new Uint8Array(0), { policy: "no_auth" });
  }

  post(path: string, member: TestMember, options: SignOptions): TestAnswer {
    return this.postMessage(path, member, sign(member, options));
  }

  postMessage(path: string, member: TestMember, envelope: Uint8Array): TestAnswer {
    const url = path.includes("?") ? path : `${path}?api-version=2024-07-01`;
    const message = decodeCoseSign1(envelope);
    return this.#send("POST", url, envelope, {
      policy: "active_member_cose_sign1",
      id: member.id,
      data: undefined,
      cert: member.certificate,
      cose: {
        content: message.payload ?? new Uint8Array(0),
        protectedHeaders: message.protectedHeaders,
        signature: message.signature,
      },
    });
  }

  propose(member: TestMember, actions: unknown, createdAt?: number): TestAnswer {
    const options = createdAt === undefined ? {} : { createdAt };
    const payload = { actions };
    return this.post("/members/proposals:create", member, {
      type: "proposal",
      payload,
      ...options,
    });
  }

  vote(member: TestMember, proposalId: string, body = "return true"): TestAnswer {
    return this.ballot(member, proposalId, `export function vote (p, id) { ${body} }`);
  }

  ballot(member: TestMember, proposalId: string, ballot: string): TestAnswer {
    return this.post(`/members/proposals/${proposalId}/ballots/${member.id}:submit`, member, {
      type: "ballot",
      payload: { ballot },
      proposalId,
    });
  }

  withdraw(member: TestMember, proposalId: string): TestAnswer {
    const path = `/members/proposals/${proposalId}:withdraw`;
    return this.post(path, member, { type: "withdrawal", proposalId });
  }

  #send(method: string, url: string, body: Uint8Array, caller: Caller): TestAnswer {
    const [path = "", query = ""] = url.split("?");
    const transaction = this.store.begin("node");
    const match = this.application.endpoints.find(transaction, method, path);
    if (match.kind !== "found") throw new Error(`${method} ${path}: ${match.kind}`);
    const request: AppRequest = {
      method,
      url: `/gov${url}`,
      path,
      query,
      headers: { get: () => undefined, entries: () => [] },
      body,
      session: { id: 1, interfaceName: "test", certificate: undefined },
    };
    const context = {
      endpoint: match.endpoint,
      params: match.params,
      caller,
      consensus: testConsensus,
      historical: { range: () => undefined, drop: () => undefined },
      nowMs,
    } satisfies ExecutionContext;
    const outcome = this.application.execute(transaction, { request }, context);
    if (outcome.applyWrites) this.store.commit(transaction);
    else transaction.discard();
    const { response } = outcome;
    const text = typeof response.body === "string" ? response.body : bytesToUtf8(response.body);
    const isJson = response.headers["content-type"] === "application/json";
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson ? JSON.parse(text) : undefined,
    };
  }
}

const testConsensus: ConsensusView = {
  view: 2,
  lastCommitted: () => ({ view: 2, seqno: 21 }),
  status: ({ seqno }) => (seqno <= 21 ? "Committed" : "Unknown"),
  viewOf: (seqno) => (seqno <= 21 ? 2 : undefined),
};

/** Tables of the store, as text, to compare states. */
export function dump(store: Store): Record<string, Record<string, string>> {
  const transaction = store.begin("node");
  const tables = store.tableNames().map((name) => {
    const rows = [...transaction.table(name).range()];
    const key = (bytes: Uint8Array) =>
      bytes.every((byte) => byte === 0) ? bytesToHex(bytes) : bytesToUtf8(bytes);
    return [
      name,
      Object.fromEntries(rows.map(([k, v]) => [key(k), Buffer.from(v).toString("latin1")])),
    ];
  });
  transaction.discard();
  return Object.fromEntries(tables);
}
