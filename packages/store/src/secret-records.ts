/** The tables in which ledger secrets are kept: wrapped for members, for nodes, for successors. */
import {
  type Aead,
  bytesToBase64,
  type CocoError,
  concatBytes,
  type Hash,
  isCocoError,
  type KeyWrap,
  type Rng,
} from "@coco/base";
import { ledgerErrors } from "./errors.ts";
import {
  base64Field,
  integerField,
  type JsonRecord,
  optionalIntegerField,
  parseJsonRecord,
  toRecord,
  toSortedJson,
} from "./json-record.ts";
import type { LedgerSecret } from "./ledger-secrets.ts";
import {
  combineShares,
  decodeShare,
  encodeShare,
  type Share,
  shareToWrappingKey,
  splitSecret,
} from "./secret-sharing.ts";

function fail(detail: string): CocoError {
  return ledgerErrors.create("BadSecretRecord", detail);
}

const noData = new Uint8Array(0);

/** Encrypts for a table: tag 16 bytes, IV 12 bytes, ciphertext. */
export function sealForTable(
  aead: Aead,
  key: Uint8Array,
  iv: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const { tag, ciphertext } = aead.seal(key, iv, plaintext, noData);
  return concatBytes(tag, iv, ciphertext);
}

/** Inverse of `sealForTable`. @throws {CocoError} BadSecretRecord, DecryptionFailed */
export function openFromTable(aead: Aead, key: Uint8Array, sealed: Uint8Array): Uint8Array {
  if (sealed.length < 28) throw fail("an encrypted value is shorter than 28 bytes");
  const tag = sealed.subarray(0, 16);
  return aead.open(key, sealed.subarray(16, 28), sealed.subarray(28), tag, noData);
}

/** A member who takes part in recoveries. */
export interface RecoveryMember {
  readonly memberId: string;
  /** PEM, RSA. */
  readonly encryptionPublicKey: string;
  /** A participant holds a share; an owner holds the whole wrapping secret. */
  readonly role: "Participant" | "Owner";
}

/** The table of recovery shares, as read. */
export interface RecoverySharesRecord {
  readonly wrappedLatestSecret: Uint8Array;
  /** By member identifier; encrypted to that member. */
  readonly encryptedShares: ReadonlyMap<string, Uint8Array>;
  readonly previousSecretStoredVersion: number | undefined;
}

/**
 * Wraps the latest secret under a fresh key and splits that key among the members.
 * @param threshold number of participants' shares that recover it; 1 when there are only owners
 * @returns the value for the table of recovery shares
 */
export function createRecoveryShares(options: {
  readonly crypto: Aead & Hash & KeyWrap & Rng;
  readonly latest: LedgerSecret;
  readonly members: readonly RecoveryMember[];
  readonly threshold: number;
}): Uint8Array {
  const { crypto, latest, members, threshold } = options;
  const participants = members.filter(({ role }) => role === "Participant");
  const count = Math.max(1, participants.length);
  if (members.length === 0 || threshold < 1 || threshold > count) {
    const detail = `${participants.length} shares cannot have the threshold ${threshold}`;
    throw ledgerErrors.create("NotEnoughShares", detail, { threshold });
  }
  const { secret, shares } = splitSecret(crypto, threshold, count);
  const encrypted: Record<string, string> = {};
  let next = 0;
  for (const { memberId, encryptionPublicKey, role } of members) {
    const share = encodeShare(role === "Owner" ? secret : shares[next++]!);
    encrypted[memberId] = bytesToBase64(crypto.wrapRsaOaep(encryptionPublicKey, share));
    share.fill(0);
  }
  // The wrapping key is used once, so its IV may be zero.
  const key = shareToWrappingKey(crypto, secret);
  const wrapped = sealForTable(crypto, key, new Uint8Array(12), latest.key);
  key.fill(0);
  return toSortedJson({
    wrapped_latest_ledger_secret: bytesToBase64(wrapped),
    encrypted_shares: encrypted,
    previous_secret_stored_version: latest.previousSecretStoredVersion,
  });
}

/** @throws {CocoError} BadSecretRecord */
export function readRecoveryShares(value: Uint8Array): RecoverySharesRecord {
  const record = parseJsonRecord(value, fail);
  const shares = toRecord(record["encrypted_shares"], fail);
  const encryptedShares = new Map<string, Uint8Array>();
  for (const memberId of Object.keys(shares)) {
    encryptedShares.set(memberId, base64Field(shares, memberId, fail));
  }
  return {
    wrappedLatestSecret: base64Field(record, "wrapped_latest_ledger_secret", fail),
    encryptedShares,
    previousSecretStoredVersion: optionalIntegerField(
      record,
      "previous_secret_stored_version",
      fail,
    ),
  };
}

/**
 * The latest ledger secret's key from members' decrypted shares.
 * @param shares of different members; one with x = 0 suffices alone
 * @returns the key of 32 bytes, and how many shares were needed
 * @throws {CocoError} NotEnoughShares, BadShare when they do not belong to this record
 */
export function recoverLatestSecret(
  crypto: Aead & Hash,
  record: RecoverySharesRecord,
  shares: readonly Share[],
  threshold: number,
): { readonly key: Uint8Array; readonly sharesUsed: number } {
  const whole = shares.find(({ x }) => x === 0);
  if (whole === undefined && shares.length < threshold) {
    const detail = `${shares.length} of ${threshold}`;
    const facts = { shares: shares.length, threshold };
    throw ledgerErrors.create("NotEnoughShares", detail, facts);
  }
  const used = whole === undefined ? shares.slice(0, threshold) : [whole];
  const secret = whole ?? combineShares(used);
  try {
    const wrappingKey = shareToWrappingKey(crypto, secret);
    const key = openFromTable(crypto, wrappingKey, record.wrappedLatestSecret);
    if (key.length !== 32) throw fail("the ledger secret has not 32 bytes");
    return { key: new Uint8Array(key), sharesUsed: used.length };
  } catch (cause) {
    if (!isCocoError(cause) || cause.code !== "DecryptionFailed") throw cause;
    throw ledgerErrors.create("BadShare", "the shares do not open the ledger secret", {}, cause);
  }
}

/** Decrypts a share with a member's private key. @throws {CocoError} DecryptionFailed, BadShare */
export function openShare(wrap: KeyWrap, privateKey: string, encrypted: Uint8Array): Share {
  return decodeShare(wrap.unwrapRsaOaep(privateKey, encrypted));
}

/** One value of the table of historical secrets. */
export interface HistoricalSecretRecord {
  /** Transaction that wrote it. */
  readonly seqno: number;
  /** First transaction of the secret that is latest from here on. */
  readonly latestVersion: number;
  readonly previous:
    | {
        readonly encrypted: Uint8Array;
        readonly version: number;
        readonly previousSecretStoredVersion: number | undefined;
      }
    | undefined;
}

/**
 * The value that a re-key, a recovery or the opening of a service records: the previous secret
 * encrypted under the latest one.
 * @param nextVersion given when the latest secret does not start right after this transaction
 */
export function createHistoricalSecret(options: {
  readonly crypto: Aead & Rng;
  readonly latest: LedgerSecret;
  readonly previous?: LedgerSecret | undefined;
  /** Transaction of the last value of this table. */
  readonly previousSecretStoredVersion?: number | undefined;
  readonly nextVersion?: number | undefined;
}): Uint8Array {
  const { crypto, latest, previous } = options;
  const sealed = (key: Uint8Array) =>
    bytesToBase64(sealForTable(crypto, latest.key, crypto.bytes(12), key));
  return toSortedJson({
    previous_ledger_secret:
      previous === undefined
        ? undefined
        : {
            encrypted_data: sealed(previous.key),
            version: previous.version,
            previous_secret_stored_version: options.previousSecretStoredVersion,
          },
    next_version: options.nextVersion,
  });
}

/** @throws {CocoError} BadSecretRecord */
export function readHistoricalSecret(value: Uint8Array, seqno: number): HistoricalSecretRecord {
  const record = parseJsonRecord(value, fail);
  const previous = record["previous_ledger_secret"] ?? undefined;
  const nextVersion = optionalIntegerField(record, "next_version", fail);
  return {
    seqno,
    latestVersion: nextVersion ?? seqno + 1,
    previous: previous === undefined ? undefined : readPrevious(toRecord(previous, fail)),
  };
}

function readPrevious(record: JsonRecord): HistoricalSecretRecord["previous"] {
  return {
    encrypted: base64Field(record, "encrypted_data", fail),
    version: integerField(record, "version", fail),
    previousSecretStoredVersion: optionalIntegerField(
      record,
      "previous_secret_stored_version",
      fail,
    ),
  };
}

/**
 * Walks the chain of historical secrets backwards: each secret decrypts the one before it.
 * A secret that was sealed twice (services did so when a recovery was repeated) is taken once.
 * @param records all values of the table, in the order of the ledger
 * @throws {CocoError} BadSecretRecord, DecryptionFailed
 */
export function recoverSecretChain(
  aead: Aead,
  latestKey: Uint8Array,
  records: readonly HistoricalSecretRecord[],
): LedgerSecret[] {
  const last = records.at(-1);
  if (last === undefined) throw fail("the ledger records no secrets");
  const previousSecretStoredVersion = records.at(-2)?.seqno;
  const latest = { version: last.latestVersion, key: latestKey, previousSecretStoredVersion };
  const secrets: LedgerSecret[] = [latest];
  const known = new Set([last.latestVersion]);
  let current: LedgerSecret = latest;
  for (const { previous } of records.toReversed()) {
    if (previous === undefined) break;
    if (known.has(previous.version)) continue;
    const key = openFromTable(aead, current.key, previous.encrypted);
    if (key.length !== 32) throw fail("a previous secret has not 32 bytes");
    const { version } = previous;
    if (version >= current.version) throw fail("a previous secret is newer than its successor");
    current = {
      version,
      key: new Uint8Array(key),
      previousSecretStoredVersion: previous.previousSecretStoredVersion,
    };
    known.add(version);
    secrets.unshift(current);
  }
  return secrets;
}

/** A secret as sent to one node. */
export interface EncryptedNodeSecret {
  /** First transaction; undefined: the one after the transaction that carries it. */
  readonly version: number | undefined;
  readonly encrypted: Uint8Array;
  readonly previousSecretStoredVersion: number | undefined;
}

/**
 * The value that sends secrets to nodes, each encrypted with the node's RSA key.
 * @param isRekey true: the secret's version is left to the transaction that carries it
 */
export function createNodeSecrets(options: {
  readonly wrap: KeyWrap;
  readonly nodes: ReadonlyMap<string, string>;
  readonly secrets: readonly LedgerSecret[];
  readonly isRekey: boolean;
}): Uint8Array {
  const { wrap, nodes, secrets, isRekey } = options;
  const record: Record<string, unknown> = {};
  for (const [nodeId, publicKey] of nodes) {
    record[nodeId] = secrets.map((secret) => ({
      version: isRekey ? null : secret.version,
      encrypted_secret: bytesToBase64(wrap.wrapRsaOaep(publicKey, secret.key)),
      previous_secret_stored_version: secret.previousSecretStoredVersion,
    }));
  }
  return toSortedJson(record);
}

/** The secrets that the value has for one node. @throws {CocoError} BadSecretRecord */
export function readNodeSecrets(value: Uint8Array, nodeId: string): EncryptedNodeSecret[] {
  const record = parseJsonRecord(value, fail);
  const list = Object.hasOwn(record, nodeId) ? record[nodeId] : [];
  if (!Array.isArray(list)) throw fail("a node's secrets are no list");
  return list.map((item) => {
    const secret = toRecord(item, fail);
    return {
      version: optionalIntegerField(secret, "version", fail),
      encrypted: base64Field(secret, "encrypted_secret", fail),
      previousSecretStoredVersion: optionalIntegerField(
        secret,
        "previous_secret_stored_version",
        fail,
      ),
    };
  });
}
