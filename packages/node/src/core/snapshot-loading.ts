/** Starting from a snapshot: nothing of a file on the host's disk is used before it is verified. */
import { readFileSync } from "node:fs";
import { type Crypto, isCocoError, type Log } from "@coco/base";
import {
  decodeSnapshotFile,
  type LedgerSecrets,
  parseSnapshotName,
  type SnapshotState,
  snapshotToState,
  type TxId,
  txIdToText,
  verifySnapshot,
} from "@coco/store";
import { nodeErrors } from "./errors.ts";
import { SnapshotDirectory } from "./snapshot-directory.ts";

export interface LoadSnapshotOptions {
  readonly crypto: Crypto;
  /** The whole file. */
  readonly bytes: Uint8Array;
  /** Of the file: its numbers have to agree. Absent: it came without a name. */
  readonly name?: string;
  /** Of the service; undefined: only the public tables are read, as a recovery does. */
  readonly secrets: LedgerSecrets | undefined;
  /** PEM: the identity of the service that made the snapshot. */
  readonly serviceCertificate: string;
  /** Older snapshots are refused: a host may offer one to hide what came after it. */
  readonly seqnoMin?: number;
}

export interface LoadedSnapshot extends SnapshotState {
  /** The transaction in which the service committed to the snapshot. */
  readonly evidence: TxId;
}

/**
 * Verifies a snapshot (receipt, claims digest, service, encryption, signed tree) and gives the
 * state for `createStore`, `LedgerWriter` and the engine; the ledger goes on with `txId.seqno + 1`.
 * @throws {CocoError} SnapshotRefused, and BadSnapshot, ReceiptNotVerified, BadReceipt,
 *   WrongSecret, SecretMissing, BadTree, BadSignatureTransaction of the store room
 */
export function loadSnapshot(options: LoadSnapshotOptions): LoadedSnapshot {
  const { crypto, bytes, name, secrets, serviceCertificate, seqnoMin = 0 } = options;
  const file = decodeSnapshotFile(bytes);
  const { seqno } = file.content.txId;
  const evidence = verifySnapshot(crypto, file, { serviceCertificate }).txId;
  if (evidence === undefined || evidence.seqno <= seqno) {
    const place = evidence === undefined ? "no transaction" : txIdToText(evidence);
    throw refuse(`the receipt of snapshot ${seqno} is of ${place}`, seqno);
  }
  if (name !== undefined) {
    const named = parseSnapshotName(name);
    if (named?.seqno !== seqno || named.evidenceSeqno !== evidence.seqno) {
      throw refuse(`the file holds snapshot ${seqno} with evidence ${evidence.seqno}`, seqno);
    }
  }
  if (seqno < seqnoMin) throw refuse(`${seqno} is before ${seqnoMin}`, seqno);
  const state = snapshotToState(crypto, file, secrets?.at(seqno).key);
  if (state.txId.view > evidence.view) throw refuse("its evidence is of an earlier view", seqno);
  return { ...state, evidence };
}

function refuse(detail: string, seqno: number) {
  return nodeErrors.create("SnapshotRefused", detail, { seqno });
}

export interface LatestSnapshotOptions
  extends Omit<LoadSnapshotOptions, "bytes" | "name" | "secrets"> {
  readonly directories: readonly string[];
  readonly secrets: LedgerSecrets;
  readonly log: Log;
}

/** The newest committed snapshot that verifies; others are left where they are, and named. */
export function loadLatestSnapshot(options: LatestSnapshotOptions): LoadedSnapshot | undefined {
  const { directories, log } = options;
  for (const { name, path } of new SnapshotDirectory(directories).list()) {
    try {
      return loadSnapshot({ ...options, bytes: new Uint8Array(readFileSync(path)), name });
    } catch (error) {
      const code = isCocoError(error) ? error.code : (error as NodeJS.ErrnoException).code;
      if (code === undefined) throw error;
      log("warn", "snapshot refused", { name, code });
    }
  }
  return undefined;
}
