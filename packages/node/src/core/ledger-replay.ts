/**
 * Rebuilds the state of a node from its own ledger files, for an executor that starts after its
 * predecessor died. Only what a signature covers is taken; the rest was never committed and is
 * cut off. The disk belongs to the host, so every root, signature and private part is checked.
 */
import type { Crypto } from "@coco/base";
import {
  ChunkReader,
  createMerkleTree,
  decodeLedgerEntry,
  decryptEntry,
  entryToLeaf,
  isSignatureWriteSet,
  type LedgerEntry,
  type LedgerSecrets,
  type MerkleTree,
  type SnapshotState,
  type Store,
  type TxId,
  type WriteSet,
  writeSetToChanges,
} from "@coco/store";
import { checkRoot } from "./entry-verification.ts";
import { nodeErrors } from "./errors.ts";
import { LedgerFileSet, listLedgerFiles, orderChunks, readPublic } from "./ledger-files.ts";
import { LedgerHistory } from "./ledger-history.ts";

export interface ReplayResult {
  readonly lastTxId: TxId;
  readonly tree: MerkleTree;
  readonly history: LedgerHistory;
}

/** The state before the first transaction that is replayed: that of a snapshot. */
export type ReplayStart = Pick<SnapshotState, "txId" | "tree" | "viewFirstSeqnos" | "contents">;

export interface ReplayOptions {
  /** Absent: the ledger is replayed from its beginning. */
  readonly start?: ReplayStart | undefined;
  /** The node's own directory first, then read-only ones. */
  readonly directories: readonly string[];
  readonly crypto: Crypto;
  /** A recovering service has none for the time before; that part is read without its secrets. */
  readonly secrets: LedgerSecrets;
  /** Holds the state of `start`, or nothing. */
  readonly store: Store;
  /** DER SubjectPublicKeyInfo of the service. */
  readonly servicePublicKey: Uint8Array;
  /** Transaction that created the service: those before it are covered by later signatures. */
  readonly createSeqno: number;
  /** What is known to be committed: a ledger that ends before it was rolled back by the host. */
  readonly committedSeqno: number;
}

/** @throws {CocoError} LedgerRolledBack, LedgerNotOurs, and the errors of the ledger formats */
export function replayLedger(options: ReplayOptions): ReplayResult {
  const { directories, crypto, store, createSeqno, start } = options;
  const tree = start?.tree ?? createMerkleTree();
  const history = new LedgerHistory();
  if (start !== undefined) history.begin(start);
  let lastTxId: TxId = start?.txId ?? { view: 0, seqno: 0 };
  const listed = listLedgerFiles(directories, "include");
  const files = new LedgerFileSet();
  try {
    for (const { file, chunk } of orderChunks(listed, start === undefined ? 1 : undefined)) {
      if (chunk.endSeqno !== undefined && chunk.endSeqno <= store.seqno) continue;
      for (const { bytes } of new ChunkReader(files.file(file)).entries()) {
        const entry = decodeLedgerEntry(bytes);
        if (entry.txId.seqno <= store.seqno) continue;
        checkNext(options, entry);
        const writeSet = readWriteSet(options, entry);
        const isOwn = entry.txId.seqno >= createSeqno;
        if (isOwn && isSignatureWriteSet(writeSet))
          checkRoot({ ...options, tree }, writeSet, entry.txId);
        tree.append(entryToLeaf(crypto, entry));
        store.apply(writeSetToChanges(writeSet));
        store.compact(store.seqno);
        history.apply(writeSet, entry.txId);
        lastTxId = entry.txId;
      }
    }
  } finally {
    files.close();
  }
  if (lastTxId.seqno < options.committedSeqno) {
    const directory = directories[0];
    const detail = `it ends at ${lastTxId.seqno}, but ${options.committedSeqno} was committed`;
    throw nodeErrors.create("LedgerRolledBack", detail, { directory });
  }
  return { lastTxId, tree, history };
}

/** Decrypting authenticates the public part too, also when the private one is empty. */
function readWriteSet({ crypto, secrets }: ReplayOptions, entry: LedgerEntry): WriteSet {
  const shared = readPublic(entry);
  if (entry.txId.seqno < (secrets.all()[0]?.version ?? 0)) return shared;
  return { maps: [...shared.maps, ...decryptEntry(crypto, entry, secrets).maps] };
}

/** The ledger may begin after a snapshot, but not later. */
function checkNext({ store, directories }: ReplayOptions, { txId }: LedgerEntry): void {
  const seqno = store.seqno + 1;
  if (txId.seqno === seqno) return;
  const detail = `transaction ${seqno} is missing before ${txId.seqno}`;
  throw nodeErrors.create("LedgerNotOurs", detail, { directory: directories[0], seqno });
}
