/**
 * The signed messages of governance: COSE_Sign1 with CCF's protected headers. A message is first
 * built, then signed at once (`signMessage`), or prepared, signed elsewhere (an HSM, a key vault),
 * and finished.
 */
import {
  bytesToBase64,
  type CborValue,
  coseAlgorithmNumber,
  coseHeader,
  coseToBeSigned,
  encodeCbor,
  encodeCoseSign1,
  type Hash,
  type HashName,
  keyIdToBytes,
  type SignatureAlgorithm,
  type Signer,
  utf8ToBytes,
} from "@coco/base";
import { clientErrors } from "./errors.ts";

export type GovernanceMessageType =
  | "proposal"
  | "ballot"
  | "withdrawal"
  | "state_digest"
  | "ack"
  | "recovery_share";

export interface ProposalAction {
  readonly name: string;
  readonly args: unknown;
}

/** What members vote on. */
export interface ProposalBody {
  readonly actions: readonly ProposalAction[];
}

/** A message before it is signed, and the path that takes it. */
export interface GovernanceMessage {
  readonly type: GovernanceMessageType;
  /** Under `/gov`, without the api-version. */
  readonly path: string;
  readonly payload: Uint8Array;
  readonly proposalId?: string;
}

const empty = new Uint8Array(0);

export function proposalMessage(proposal: ProposalBody | string): GovernanceMessage {
  const text = typeof proposal === "string" ? proposal : JSON.stringify(proposal);
  return { type: "proposal", path: "/members/proposals:create", payload: utf8ToBytes(text) };
}

/** @param ballot a module that exports `vote(rawProposal, proposerId)` */
export function ballotMessage(
  proposalId: string,
  memberId: string,
  ballot: string,
): GovernanceMessage {
  return {
    type: "ballot",
    path: `/members/proposals/${proposalId}/ballots/${memberId}:submit`,
    payload: utf8ToBytes(JSON.stringify({ ballot })),
    proposalId,
  };
}

export function withdrawalMessage(proposalId: string): GovernanceMessage {
  const path = `/members/proposals/${proposalId}:withdraw`;
  return { type: "withdrawal", path, payload: empty, proposalId };
}

/** Asks the service to renew the member's state digest. */
export function stateDigestMessage(memberId: string): GovernanceMessage {
  const path = `/members/state-digests/${memberId}:update`;
  return { type: "state_digest", path, payload: empty };
}

/** Acknowledges the state digest; this makes an accepted member active. */
export function ackMessage(memberId: string, stateDigest: string): GovernanceMessage {
  return {
    type: "ack",
    path: `/members/state-digests/${memberId}:ack`,
    payload: utf8ToBytes(JSON.stringify({ stateDigest })),
  };
}

/** @param share the decrypted recovery share */
export function recoveryShareMessage(memberId: string, share: Uint8Array): GovernanceMessage {
  return {
    type: "recovery_share",
    path: `/recovery/members/${memberId}:recover`,
    payload: utf8ToBytes(JSON.stringify({ share: bytesToBase64(share) })),
  };
}

/** Ballots for the two usual votes. */
export const ballots = {
  yes: "export function vote (rawProposal, proposerId) { return true }",
  no: "export function vote (rawProposal, proposerId) { return false }",
};

/** A message that waits for its signature. Plain data: it survives JSON with base64 bytes. */
export interface PreparedMessage {
  readonly path: string;
  readonly algorithm: SignatureAlgorithm;
  readonly protectedBytes: Uint8Array;
  readonly payload: Uint8Array;
  /** Sig_structure: what the key signs after hashing. @source RFC 9052 section 4.4 */
  readonly toBeSigned: Uint8Array;
}

/** Who signs, and when. */
export interface MessageStamp {
  /** Hex SHA-256 of the member's DER certificate. */
  readonly memberId: string;
  readonly algorithm: SignatureAlgorithm;
  /** Whole seconds since 1970; the service refuses old and repeated messages. */
  readonly createdAtSeconds: number;
}

/** Builds the protected header and the bytes to be signed. */
export function prepareMessage(message: GovernanceMessage, stamp: MessageStamp): PreparedMessage {
  const headers = new Map<CborValue, CborValue>([
    [coseHeader.algorithm, coseAlgorithmNumber(stamp.algorithm)],
    [coseHeader.keyId, keyIdToBytes(stamp.memberId)],
    ["ccf.gov.msg.type", message.type],
    ["ccf.gov.msg.created_at", stamp.createdAtSeconds],
  ]);
  if (message.proposalId !== undefined) headers.set("ccf.gov.msg.proposal_id", message.proposalId);
  const protectedBytes = encodeCbor(headers);
  const { path, payload } = message;
  const toBeSigned = coseToBeSigned(protectedBytes, payload);
  return { path, algorithm: stamp.algorithm, protectedBytes, payload, toBeSigned };
}

/** The hash of each algorithm, for key stores that sign digests. */
function hashOf(algorithm: SignatureAlgorithm): HashName {
  if (algorithm.endsWith("384")) return "SHA-384";
  return algorithm.endsWith("512") || algorithm === "EdDSA" ? "SHA-512" : "SHA-256";
}

/** The digest of the bytes to be signed, for key stores that sign digests only. */
export function preparedMessageToDigest(prepared: PreparedMessage, hash: Hash): Uint8Array {
  return hash.digest(hashOf(prepared.algorithm), prepared.toBeSigned);
}

const ecdsaSizeBytes: Partial<Record<SignatureAlgorithm, number>> = {
  ES256: 64,
  ES384: 96,
  ES512: 132,
};

/**
 * Puts the signature into the message.
 * @param signature ECDSA: r||s
 * @throws {CocoError} BadSignatureLength
 */
export function finishMessage(prepared: PreparedMessage, signature: Uint8Array): Uint8Array {
  const size = ecdsaSizeBytes[prepared.algorithm];
  if (signature.length === 0 || (size !== undefined && signature.length !== size)) {
    const detail = `${prepared.algorithm} with ${signature.length} bytes`;
    throw clientErrors.create("BadSignatureLength", detail);
  }
  const { protectedBytes, payload } = prepared;
  return encodeCoseSign1({ protectedBytes, payload, signature });
}

/** Prepares, signs and finishes with a key at hand. */
export function signMessage(
  message: GovernanceMessage,
  stamp: Omit<MessageStamp, "algorithm">,
  signer: Signer,
): Uint8Array {
  const prepared = prepareMessage(message, { ...stamp, algorithm: signer.algorithm });
  return finishMessage(prepared, signer.sign(prepared.toBeSigned));
}
