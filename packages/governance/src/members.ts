/** Members: how they join, acknowledge the state they join, and hold recovery shares. */
import { bytesToBase64, bytesToHex, type Certificates, type Hash } from "@coco/base";
import type { Transaction } from "@coco/store";
import { governanceErrors } from "./errors.ts";
import type { MemberAck, MemberInfo, RecoveryRole } from "./table-values.ts";
import { governanceTables, internalTables } from "./tables.ts";

export interface NewMember {
  /** PEM. */
  readonly certificate: string;
  /** PEM of an RSA public key; members with one take part in recovery. */
  readonly encryptionPublicKey?: string;
  readonly memberData?: unknown;
  readonly recoveryRole?: RecoveryRole;
}

/**
 * The id of a member or user: hex SHA-256 of the DER certificate.
 * @throws {CocoError} BadCertificate
 */
export function certificateToId(crypto: Hash & Certificates, certificate: string): string {
  return bytesToHex(crypto.sha256(crypto.parse(certificate).der));
}

function checkRecoveryRole(member: NewMember, id: string): void {
  const { recoveryRole: role } = member;
  if (role === undefined) return;
  const hasKey = member.encryptionPublicKey !== undefined;
  if (hasKey === (role !== "NonParticipant")) return;
  throw governanceErrors.create(
    "BadMember",
    `${id} has recovery role ${role} ${hasKey ? "and" : "but no"} encryption public key`,
  );
}

/** The state that a member who joins now has to acknowledge: the last signed Merkle root. */
function currentStateDigest(transaction: Transaction): string | undefined {
  return internalTables.signatures.get(transaction)?.root;
}

/**
 * Adds a member who becomes active by acknowledging the state.
 * @returns the member's id
 * @throws {CocoError} BadMember, BadCertificate
 */
export function addMember(
  transaction: Transaction,
  crypto: Hash & Certificates,
  member: NewMember,
): string {
  const id = certificateToId(crypto, member.certificate);
  const certificates = governanceTables.memberCerts.of(transaction);
  if (certificates.has(id)) return id;
  checkRecoveryRole(member, id);
  certificates.set(id, member.certificate);
  const { memberData, recoveryRole } = member;
  const info: MemberInfo = {
    status: "Accepted",
    ...(memberData === undefined || memberData === null ? {} : { member_data: memberData }),
    ...(recoveryRole === undefined ? {} : { recovery_role: recoveryRole }),
  };
  governanceTables.memberInfo.of(transaction).set(id, info);
  if (member.encryptionPublicKey !== undefined) {
    governanceTables.memberEncryptionKeys.of(transaction).set(id, member.encryptionPublicKey);
  }
  const state_digest = currentStateDigest(transaction) ?? "";
  governanceTables.memberAcks.of(transaction).set(id, { state_digest });
  return id;
}

/** A member takes the current state as the one to acknowledge. Undefined before any signature. */
export function updateStateDigest(transaction: Transaction, memberId: string): string | undefined {
  const digest = currentStateDigest(transaction);
  if (digest === undefined) return undefined;
  const acks = governanceTables.memberAcks.of(transaction);
  acks.set(memberId, { ...acks.get(memberId), state_digest: digest });
  return digest;
}

/** Whether the member became active by this (and was not before). */
export function acknowledgeStateDigest(
  transaction: Transaction,
  memberId: string,
  ack: MemberAck,
  envelope: Uint8Array,
): boolean {
  const record: MemberAck = {
    state_digest: ack.state_digest,
    cose_sign1_req: bytesToBase64(envelope),
  };
  governanceTables.memberAcks.of(transaction).set(memberId, record);
  const infos = governanceTables.memberInfo.of(transaction);
  const info = infos.get(memberId);
  if (info === undefined) {
    throw governanceErrors.create("BadMember", `${memberId} is not a member any more`);
  }
  const { member_data: data, ...rest } = info;
  const kept = data === null || data === undefined ? rest : { ...rest, member_data: data };
  infos.set(memberId, { ...kept, status: "Active" });
  return info.status !== "Active";
}

/** The role that counts: members with an encryption key participate unless they are owners. */
export function effectiveRecoveryRole(info: MemberInfo, hasEncryptionKey: boolean): RecoveryRole {
  if (info.recovery_role !== undefined && info.recovery_role !== null) return info.recovery_role;
  return hasEncryptionKey ? "Participant" : "NonParticipant";
}

export interface RecoveryMembers {
  /** Member id and PEM of the encryption key, in order of ids: each gets one share. */
  readonly participants: readonly (readonly [memberId: string, publicKey: string])[];
  /** Each gets the whole wrapping secret. */
  readonly owners: readonly (readonly [memberId: string, publicKey: string])[];
}

/** The active members who hold recovery shares. */
export function activeRecoveryMembers(transaction: Transaction): RecoveryMembers {
  const infos = governanceTables.memberInfo.of(transaction);
  const keys = governanceTables.memberEncryptionKeys.of(transaction).entries();
  const withRole = (wanted: RecoveryRole) =>
    keys.filter(([memberId]) => {
      const info = infos.get(memberId);
      return info?.status === "Active" && effectiveRecoveryRole(info, true) === wanted;
    });
  return { participants: withRole("Participant"), owners: withRole("Owner") };
}

/** Whether the member has an encryption key, and so a share after the next re-share. */
export function holdsRecoveryShare(transaction: Transaction, memberId: string): boolean {
  return governanceTables.memberEncryptionKeys.of(transaction).has(memberId);
}
