/**
 * The first half of a disaster recovery: reads what is public in the ledger of a service whose
 * nodes are all lost, verifies it, and drops what no signature covers.
 */
import { existsSync } from "node:fs";
import type { Crypto } from "@coco/base";
import {
  type AuditReport,
  auditLedger,
  createMerkleTree,
  createStore,
  type MerkleTree,
  type Store,
  type TxId,
  textToTxId,
  writeSetToChanges,
} from "@coco/store";
import { nodeErrors } from "./errors.ts";
import {
  judgeUnfinishedRecovery,
  LedgerFileSet,
  listLedgerFiles,
  sealOpenChunk,
  settleUnfinishedRecovery,
} from "./ledger-files.ts";
import { LedgerHistory } from "./ledger-history.ts";

export interface PublicRecoveryOptions {
  /** The node's own directory first, then read-only ones. */
  readonly directories: readonly string[];
  readonly crypto: Crypto;
  /** PEM: the ledger must belong to this service. */
  readonly previousServiceCertificate: string;
}

/** The public state at the last signature of the former service. */
export interface PublicRecovery {
  readonly store: Store;
  readonly tree: MerkleTree;
  readonly lastTxId: TxId;
  readonly history: LedgerHistory;
  readonly audit: AuditReport;
}

/**
 * Nothing on disk is touched before the whole ledger is verified. Then the open chunk is ended
 * with its last signature, and files of an earlier recovery that did not come to its end go away.
 * @throws {CocoError} UntrustedService, BadChunk, BadSignature and others of the audit, with the
 *   place; StartFailed when there is no ledger
 */
export function recoverPublicLedger(options: PublicRecoveryOptions): PublicRecovery {
  const { directories, crypto } = options;
  const own = directories[0]!;
  if (!existsSync(own)) throw nodeErrors.create("StartFailed", `there is no directory ${own}`);
  const unfinished = judgeUnfinishedRecovery(own);
  const kept = unfinished === "adopt" ? "include" : "leave";
  const store = createStore();
  const tree = createMerkleTree();
  const history = new LedgerHistory();
  const files = new LedgerFileSet();
  let audit: AuditReport;
  try {
    const stored = listLedgerFiles(directories, kept).map((file) => files.file(file));
    audit = auditLedger(stored, {
      crypto,
      serviceCertificate: options.previousServiceCertificate,
      allowIncompleteTail: true,
      onTransaction: ({ entry, writeSet, isSignature, leaf }) => {
        tree.append(leaf);
        store.apply(writeSetToChanges(writeSet));
        history.apply(writeSet, entry.txId);
        if (isSignature) store.compact(store.seqno);
      },
    });
  } finally {
    files.close();
  }
  const lastTxId = textToTxId(audit.lastSignedTxId)!;
  store.rollback(lastTxId.seqno);
  tree.retract(lastTxId.seqno + 1);
  history.rollback(lastTxId.seqno);
  if (unfinished !== undefined) settleUnfinishedRecovery(own, unfinished);
  sealOpenChunk(listLedgerFiles(directories, "leave"));
  return { store, tree, lastTxId, history, audit };
}

/** What a ledger says at its end of the service that wrote it. */
export interface LedgerIdentity {
  /** PEM. */
  readonly serviceCertificate: string;
  /** `Open`, unless the service never opened or is closed by a recovery. */
  readonly serviceStatus: string;
  readonly lastSignedTxId: string;
}

/**
 * Verifies the ledger of a directory and names its service. Who trusts the directory no more than
 * its host has to compare the certificate with the one that they know.
 * @returns undefined when there is no ledger
 * @throws {CocoError} of the audit
 */
export function readLedgerIdentity(directory: string, crypto: Crypto): LedgerIdentity | undefined {
  if (!existsSync(directory)) return undefined;
  const kept = judgeUnfinishedRecovery(directory) === "adopt" ? "include" : "leave";
  const stored = listLedgerFiles([directory], kept);
  if (stored.length === 0) return undefined;
  const files = new LedgerFileSet();
  try {
    const audit = auditLedger(
      stored.map((file) => files.file(file)),
      { crypto, allowIncompleteTail: true },
    );
    const { serviceCertificate, serviceStatus, lastSignedTxId } = audit;
    if (serviceCertificate === undefined || serviceStatus === undefined) return undefined;
    return { serviceCertificate, serviceStatus, lastSignedTxId };
  } finally {
    files.close();
  }
}
