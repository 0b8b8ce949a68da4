import {
  bytesToLatin1,
  bytesToUtf8,
  type CertificateInfo,
  type Certificates,
  type CocoError,
  decodeCoseSign1,
  equalBytes,
  isCocoError,
  pemToDer,
  type Verifier,
  verifyCoseSign1,
} from "@coco/base";
import { ledgerErrors } from "./errors.ts";
import { base64Field, parseJsonRecord, textField } from "./json-record.ts";
import { findMap, findSingleton, ledgerTable } from "./ledger-tables.ts";
import type { WriteSet } from "./write-set.ts";

type NodeStatus = "Pending" | "Trusted" | "Retired";

interface NodeState {
  status: NodeStatus;
  /** Recorded by the node itself; only ledgers of version 1 have it. */
  selfSigned: string | undefined;
  /** Issued by the service. */
  endorsed: string | undefined;
  /** All certificates that were ever recorded: a node signs with an older one for a while. */
  readonly recorded: Set<string>;
}

/** The service identity in force at some point of the ledger. */
export interface ServiceIdentity {
  readonly certificate: CertificateInfo;
  /** PEM as recorded. */
  readonly pem: string;
  /** Transaction that recorded this key first. */
  readonly sinceSeqno: number;
}

const nodeStatuses = new Set<string>(["Pending", "Trusted", "Retired"]);

/** Which status of the service may follow which; any may be followed by itself or Opening. */
const serviceStatusAfter: Readonly<Record<string, readonly string[]>> = {
  Opening: ["Open", "WaitingForRecoveryShares"],
  Recovering: ["WaitingForRecoveryShares"],
  WaitingForRecoveryShares: ["Open"],
  Open: ["Recovering"],
};

const parsedCountMax = 1000;

function fail(detail: string): CocoError {
  return ledgerErrors.create("BadLedger", detail);
}

/** What a ledger says about its service and its nodes, up to the transaction last applied. */
export class ServiceState {
  readonly #certificates: Certificates & Verifier;
  /** Keys of all identities so far, latin1 of their DER form. */
  readonly #serviceKeys = new Set<string>();
  readonly #parsed = new Map<string, CertificateInfo>();
  /** Certificates that the identity in force has issued, as far as that was checked. */
  readonly #issued = new Set<CertificateInfo>();
  readonly #nodes = new Map<string, NodeState>();
  #identity: ServiceIdentity | undefined;
  #status: string | undefined;
  /** From here on only nodes with an endorsed certificate may sign. */
  #isEndorsementNeeded = false;

  constructor(certificates: Certificates & Verifier) {
    this.#certificates = certificates;
  }

  get identity(): ServiceIdentity | undefined {
    return this.#identity;
  }

  get status(): string | undefined {
    return this.#status;
  }

  /** Applies the public part of a transaction. @throws {CocoError} BadLedger */
  apply(writeSet: WriteSet, seqno: number): void {
    this.#applyNodes(writeSet);
    this.#applyEndorsed(writeSet);
    const service = findSingleton(writeSet, ledgerTable.service);
    if (service !== undefined) this.#applyService(service, seqno);
    const endorsement = findSingleton(writeSet, ledgerTable.previousIdentity);
    if (endorsement !== undefined) this.#checkEndorsement(endorsement);
  }

  /** The identity in force endorses itself when it is new, else the one before it. */
  #checkEndorsement(value: Uint8Array): void {
    const record = parseJsonRecord(value, fail);
    const key = this.#identity?.certificate.publicKey;
    if (key === undefined || !equalBytes(base64Field(record, "endorsing_key", fail), key)) {
      throw fail("the endorsement of the former service is not by the service in force");
    }
    let endorsed: Uint8Array | undefined;
    try {
      const message = decodeCoseSign1(base64Field(record, "endorsement", fail));
      if (verifyCoseSign1(this.#certificates, message, key)) endorsed = message.payload;
    } catch (cause) {
      if (!isCocoError(cause)) throw cause;
    }
    if (endorsed === undefined || !this.#serviceKeys.has(bytesToLatin1(endorsed))) {
      throw fail("the endorsement of the former service does not verify");
    }
  }

  #node(key: Uint8Array): NodeState {
    const id = bytesToLatin1(key);
    let node = this.#nodes.get(id);
    if (node === undefined) {
      node = { status: "Pending", selfSigned: undefined, endorsed: undefined, recorded: new Set() };
      this.#nodes.set(id, node);
    }
    return node;
  }

  #applyNodes(writeSet: WriteSet): void {
    const changes = findMap(writeSet, ledgerTable.nodes);
    if (changes === undefined) return;
    for (const [key, value] of changes.writes) {
      const record = parseJsonRecord(value, fail);
      const status = textField(record, "status", fail);
      if (!nodeStatuses.has(status)) throw fail("a node has an unknown status");
      const node = this.#node(key);
      node.status = status as NodeStatus;
      if (typeof record["cert"] === "string") {
        node.selfSigned = record["cert"];
        node.recorded.add(record["cert"]);
      }
    }
    for (const key of changes.removes) this.#nodes.delete(bytesToLatin1(key));
  }

  #applyEndorsed(writeSet: WriteSet): void {
    const changes = findMap(writeSet, ledgerTable.endorsedCertificates);
    for (const [key, value] of changes?.writes ?? []) {
      const node = this.#node(key);
      node.endorsed = utf8(value);
      node.recorded.add(node.endorsed);
    }
    for (const key of changes?.removes ?? []) {
      const node = this.#nodes.get(bytesToLatin1(key));
      if (node !== undefined) node.endorsed = undefined;
    }
  }

  #applyService(value: Uint8Array, seqno: number): void {
    const record = parseJsonRecord(value, fail);
    const status = textField(record, "status", fail);
    const pem = textField(record, "cert", fail);
    const isAllowed =
      this.#status === undefined ||
      status === "Opening" ||
      status === this.#status ||
      (serviceStatusAfter[this.#status] ?? []).includes(status);
    if (!isAllowed) throw fail(`the service went from ${this.#status} to ${status}`);
    const certificate = this.#parse(pem);
    const before = this.#identity;
    const isSameKey =
      before !== undefined && equalBytes(before.certificate.publicKey, certificate.publicKey);
    this.#issued.clear();
    this.#serviceKeys.add(bytesToLatin1(certificate.publicKey));
    this.#identity = { certificate, pem, sinceSeqno: isSameKey ? before.sinceSeqno : seqno };
    this.#status = status;
  }

  /** The same few certificates come again with every signature. */
  #parse(pem: string): CertificateInfo {
    const known = this.#parsed.get(pem);
    if (known !== undefined) return known;
    try {
      const certificate = this.#certificates.parse(pemToDer(pem));
      if (this.#parsed.size >= parsedCountMax) this.#parsed.clear();
      this.#parsed.set(pem, certificate);
      return certificate;
    } catch (cause) {
      if (isCocoError(cause)) throw fail(cause.message);
      throw cause;
    }
  }

  /**
   * The key with which a node may sign now.
   * @param recorded the certificate in the signature transaction, which must have the same key
   * @param isExact true: it must be one of those that the ledger recorded for the node
   * @returns the key, and whether the service in force endorsed it
   * @throws {CocoError} UntrustedNode
   */
  signingKey(
    nodeId: string,
    recorded: string | undefined,
    isExact: boolean,
  ): { readonly publicKey: Uint8Array; readonly isEndorsed: boolean } {
    const short = nodeId.slice(0, 64);
    const refuse = (detail: string) =>
      ledgerErrors.create("UntrustedNode", `node ${short}: ${detail}`, { nodeId: short });
    const node = this.#nodes.get(nodeId);
    if (node === undefined) throw refuse("it is not in the table of nodes");
    if (node.status === "Pending") throw refuse("it was not trusted yet");
    const pem = node.endorsed ?? node.selfSigned;
    if (pem === undefined) throw refuse("it has no certificate");
    const certificate = this.#parse(pem);
    if (isExact && (recorded === undefined || !node.recorded.has(recorded))) {
      throw refuse("it signs with another certificate than the recorded ones");
    }
    if (recorded !== undefined) {
      const { publicKey } = this.#parse(recorded);
      if (!equalBytes(publicKey, certificate.publicKey)) throw refuse("its key differs");
    }
    const isEndorsed = node.endorsed !== undefined;
    if (!isEndorsed && this.#isEndorsementNeeded) throw refuse("the service did not endorse it");
    if (isEndorsed) this.#assertEndorsed(certificate, refuse);
    return { publicKey: certificate.publicKey, isEndorsed };
  }

  #assertEndorsed(certificate: CertificateInfo, refuse: (detail: string) => CocoError): void {
    const identity = this.#identity;
    if (identity === undefined) throw refuse("there is no service yet");
    // Time is not checked: certificates of a past ledger have expired, its signatures have not.
    if (!this.#issued.has(certificate)) {
      if (!this.#certificates.isIssuedBy(certificate, identity.certificate)) {
        throw refuse("its certificate was not issued by the service");
      }
      this.#issued.add(certificate);
    }
    this.#isEndorsementNeeded = true;
  }
}

function utf8(bytes: Uint8Array): string {
  try {
    return bytesToUtf8(bytes);
  } catch (cause) {
    if (isCocoError(cause)) throw fail("a certificate is not UTF-8");
    throw cause;
  }
}
