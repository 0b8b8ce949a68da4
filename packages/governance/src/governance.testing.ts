/** A small service for the tests of this room: members with keys, and what they sign. */
import {
  type CborValue,
  createCertificate,
  keyIdToBytes,
  signCoseSign1,
  utf8ToBytes,
} from "@coco/base";
import { generateEncryptionKey, generateSigningKey, type SigningKey } from "@coco/base/node";
import { defaultConstitution } from "./constitution/constitutions.ts";
import { createGenesis, type GenesisRequest } from "./genesis.ts";
import { crypto, GovernanceHost, type TestAnswer } from "./host.testing.ts";
import { certificateToId } from "./members.ts";
import type { RecoveryRole } from "./table-values.ts";
import { governanceTables, internalTables } from "./tables.ts";

export { crypto, dump, type TestAnswer } from "./host.testing.ts";

const dayMs = 86_400_000;
const nowMs = Date.UTC(2026, 10, 20);
export const testNodeId = "0f".repeat(32);

export function selfSigned(name: string, key: SigningKey): string {
  return createCertificate({
    subject: `CN=${name}`,
    publicKey: key.publicKey,
    signer: key,
    notBeforeMs: nowMs - dayMs,
    notAfterMs: nowMs + 365 * dayMs,
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
  readonly recoveryRole?: RecoveryRole;
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
  /** Null leaves the header out. */
  readonly createdAt?: number | null;
  readonly proposalId?: string;
}

let clock = 1_795_169_100;

/** A COSE_Sign1 message as a member's tool makes it. */
export function sign(member: TestMember, options: SignOptions): Uint8Array {
  const headers = new Map<CborValue, CborValue>([
    [4, keyIdToBytes(member.id)],
    ["ccf.gov.msg.type", options.type],
  ]);
  if (options.createdAt !== null) {
    headers.set("ccf.gov.msg.created_at", options.createdAt ?? clock++);
  }
  if (options.proposalId !== undefined) {
    headers.set("ccf.gov.msg.proposal_id", options.proposalId);
  }
  const json = options.payload === undefined ? "" : JSON.stringify(options.payload);
  const payload = options.raw ?? utf8ToBytes(json);
  return signCoseSign1({ signer: member.key, headers, payload });
}

/** A constitution that accepts at once, with the given function bodies. */
export function constitutionOf(bodies: {
  readonly validate?: string;
  readonly resolve?: string;
  readonly apply?: string;
}): string {
  const { validate = "return { valid: true }", resolve = 'return "Accepted"', apply = "" } = bodies;
  return `
    export function validate(input) { ${validate} }
    export function resolve(proposal, proposerId, votes) { ${resolve} }
    export function apply(proposal, proposalId) { ${apply} }
  `;
}

export function genesisRequest(
  members: readonly TestMember[],
  constitution: string,
): GenesisRequest {
  return {
    nodeId: testNodeId,
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
    serviceCertificate: selfSigned("Service", generateSigningKey()),
    createTxId: "2.1",
    platform: { format: "Insecure_Virtual", measurement: "m", hostData: "ab".repeat(32) },
    genesis: {
      members: members.map(({ certificate, encryptionPublicKey, recoveryRole }) => ({
        certificate,
        encryptionPublicKey,
        ...(recoveryRole === undefined ? {} : { recoveryRole }),
      })),
      constitution,
      configuration: { maximum_node_certificate_validity_days: 365, recovery_threshold: 1 },
    },
  };
}

export class TestService extends GovernanceHost {
  readonly members: readonly TestMember[];

  constructor(members: readonly TestMember[], constitution = defaultConstitution) {
    super();
    this.members = members;
    const request = genesisRequest(members, constitution);
    this.write((transaction) => createGenesis(transaction, crypto, request));
  }

  /** Stands for a signature transaction. */
  signLedger(root = "5a".repeat(32)): void {
    this.write((transaction) =>
      internalTables.signatures.set(transaction, {
        commit_seqno: 0,
        commit_view: 0,
        node: testNodeId,
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
    this.setStatus("Open");
    this.effects.length = 0;
  }

  setStatus(status: "Open" | "Recovering" | "WaitingForRecoveryShares"): void {
    this.write((transaction) => {
      const info = governanceTables.serviceInfo.get(transaction);
      if (info !== undefined) governanceTables.serviceInfo.set(transaction, { ...info, status });
    });
  }

  activate(member: TestMember): TestAnswer {
    const path = `/members/state-digests/${member.id}`;
    const updated = this.post(`${path}:update`, member, { type: "state_digest" });
    const { stateDigest } = updated.json;
    return this.post(`${path}:ack`, member, { type: "ack", payload: { stateDigest } });
  }

  get(path: string): TestAnswer {
    return this.send("GET", path);
  }

  post(path: string, member: TestMember, options: SignOptions): TestAnswer {
    return this.send("POST", path, sign(member, options));
  }

  propose(member: TestMember, actions: unknown, createdAt?: number): TestAnswer {
    return this.post("/members/proposals:create", member, {
      type: "proposal",
      payload: { actions },
      ...(createdAt === undefined ? {} : { createdAt }),
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
}
