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

export interface ReplayOptions {
  /** The node's own directory first, then read-only ones. */
  readonly directories: readonly string[];
  readonly crypto: Crypto;
  /** A recovering service has none for the time before; that part is read without its secrets. */
  readonly secrets: LedgerSecrets;
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
  const { directories, crypto, store, createSeqno } = options;
  const tree = createMerkleTree();
  const history = new LedgerHistory();
  let lastTxId: TxId = { view: 0, seqno: 0 };
  const files = new LedgerFileSet();
  try {
    for (const { file } of orderChunks(listLedgerFiles(directories, "include"))) {
      for (const { bytes } of new ChunkReader(files.file(file)).entries()) {
        const entry = decodeLedgerEntry(bytes);
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
