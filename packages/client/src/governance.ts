/** Governance through a node's `/gov` interface, version 2024-07-01. */
import { base64ToBytes, type Signer } from "@coco/base";
import { GovernanceError } from "./errors.ts";
import { type Answer, exchange, isSuccess, refusalToDetail, toRefusal } from "./exchange.ts";
import {
  ackMessage,
  ballotMessage,
  ballots,
  type GovernanceMessage,
  type ProposalBody,
  proposalMessage,
  recoveryShareMessage,
  signMessage,
  stateDigestMessage,
  withdrawalMessage,
} from "./governance-message.ts";
import type { Transport } from "./transport.ts";

export type ProposalState = "Open" | "Accepted" | "Withdrawn" | "Rejected" | "Failed" | "Dropped";

export interface ProposalInfo {
  readonly proposalId: string;
  readonly proposerId: string;
  readonly proposalState: ProposalState;
  readonly ballotCount: number;
  /** Present in terminal states. */
  readonly finalVotes?: Readonly<Record<string, boolean>>;
  readonly voteFailures?: Readonly<Record<string, unknown>>;
  readonly failure?: unknown;
  /** The transaction of the last change, when this came from a write. */
  readonly txId?: string;
}

export interface MemberInfo {
  readonly memberId: string;
  readonly status: "Accepted" | "Active";
  readonly certificate: string;
  readonly memberData?: unknown;
  readonly publicEncryptionKey?: string;
  readonly recoveryRole?: string;
}

export interface ServiceInfo {
  readonly status: string;
  readonly certificate: string;
  readonly recoveryCount: number;
  readonly creationTransactionId: string;
  readonly configuration?: unknown;
}

/** What the service says about a share that a member submitted. */
export interface RecoverySubmission {
  readonly message: string;
  readonly submittedCount: number;
  readonly recoveryThreshold: number;
  readonly fullKeySubmitted: boolean;
}

/** A member as a signer of governance messages. */
export interface MemberSigner {
  /** Hex SHA-256 of the DER certificate. */
  readonly memberId: string;
  readonly signer: Signer;
}

export interface Governance {
  propose(proposal: ProposalBody | string): Promise<ProposalInfo>;
  /** @param ballot `yes`, `no`, or a module that exports `vote(rawProposal, proposerId)` */
  vote(proposalId: string, ballot: string): Promise<ProposalInfo>;
  /** Undefined when the service knows no such proposal. */
  withdraw(proposalId: string): Promise<ProposalInfo | undefined>;
  /** Renews the state digest and acknowledges it; returns the digest. */
  acknowledge(): Promise<string>;
  /** The member's share, encrypted with its RSA key (OAEP with SHA-256). */
  encryptedRecoveryShare(memberId: string): Promise<Uint8Array>;
  /** @param share decrypted, 44 bytes */
  submitRecoveryShare(share: Uint8Array): Promise<RecoverySubmission>;
  /** Sends a message that was signed elsewhere. */
  send(path: string, signedMessage: Uint8Array): Promise<Answer>;
  proposals(): Promise<readonly ProposalInfo[]>;
  proposal(proposalId: string): Promise<ProposalInfo>;
  actions(proposalId: string): Promise<ProposalBody>;
  members(): Promise<readonly MemberInfo[]>;
  /** The constitution's JavaScript text. */
  constitution(): Promise<string>;
  serviceInfo(): Promise<ServiceInfo>;
}

const apiVersion = "2024-07-01";

/** Governance over `transport`; `member` is needed for everything that is signed. */
export function createGovernance(
  transport: Transport,
  member: MemberSigner | undefined,
  nowMs: () => number,
): Governance {
  const versioned = (path: string) => `/gov${path}?api-version=${apiVersion}`;
  const check = (what: string, answer: Answer): Answer => {
    if (isSuccess(answer)) return answer;
    const refusal = toRefusal(answer);
    const facts = { status: refusal.status, rpcCode: refusal.code };
    const detail = refusalToDetail(what, refusal);
    throw new GovernanceError("GovernanceRefused", detail, facts, refusal);
  };
  const read = async (path: string) =>
    check(`GET ${path}`, await exchange(transport, versioned(path)));
  const send = async (path: string, body: Uint8Array) => {
    const headers = { "content-type": "application/cose" };
    const options = { method: "POST", headers, body };
    return check(`POST ${path}`, await exchange(transport, versioned(path), options));
  };
  const needMember = (): MemberSigner => {
    if (member === undefined) throw new GovernanceError("MemberMissing", "no member key is given");
    return member;
  };
  const sign = (message: GovernanceMessage) => {
    const { memberId, signer } = needMember();
    const createdAtSeconds = Math.floor(nowMs() / 1000);
    return send(message.path, signMessage(message, { memberId, createdAtSeconds }, signer));
  };
  return {
    propose: async (proposal) => toProposal(await sign(proposalMessage(proposal))),
    vote: async (proposalId, ballot) => {
      const script = ballot === "yes" || ballot === "no" ? ballots[ballot] : ballot;
      return toProposal(await sign(ballotMessage(proposalId, needMember().memberId, script)));
    },
    withdraw: async (proposalId) => {
      const answer = await sign(withdrawalMessage(proposalId));
      return answer.status === 204 ? undefined : toProposal(answer);
    },
    acknowledge: async () => {
      const { memberId } = needMember();
      const answer = await sign(stateDigestMessage(memberId));
      const { stateDigest } = answer.json<{ stateDigest: string }>();
      await sign(ackMessage(memberId, stateDigest));
      return stateDigest;
    },
    encryptedRecoveryShare: async (memberId) => {
      const answer = await read(`/recovery/encrypted-shares/${memberId}`);
      return base64ToBytes(answer.json<{ encryptedShare: string }>().encryptedShare);
    },
    submitRecoveryShare: async (share) => {
      const answer = await sign(recoveryShareMessage(needMember().memberId, share));
      return answer.json<RecoverySubmission>();
    },
    send,
    proposals: async () => toList<ProposalInfo>(await read("/members/proposals")),
    proposal: async (proposalId) =>
      (await read(`/members/proposals/${proposalId}`)).json<ProposalInfo>(),
    actions: async (proposalId) =>
      (await read(`/members/proposals/${proposalId}/actions`)).json<ProposalBody>(),
    members: async () => toList<MemberInfo>(await read("/service/members")),
    constitution: async () => (await read("/service/constitution")).text(),
    serviceInfo: async () => (await read("/service/info")).json<ServiceInfo>(),
  };
}

function toProposal(answer: Answer): ProposalInfo {
  const proposal = answer.json<ProposalInfo>();
  return answer.txId === undefined ? proposal : { ...proposal, txId: answer.txId };
}

function toList<Item>(answer: Answer): readonly Item[] {
  return answer.json<{ value: readonly Item[] }>().value;
}
