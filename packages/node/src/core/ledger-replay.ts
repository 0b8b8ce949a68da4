/**
 * Rebuilds the state of a node from its own ledger files, for an executor that starts after its
 * predecessor died. Only what a signature covers is taken; the rest was never committed and is
 * cut off. The disk belongs to the host, so every root, signature and private part is checked.
 */
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { bytesToHex, type Crypto, equalBytes } from "@coco/base";
import {
  ChunkReader,
  checkCoseSignature,
  createMerkleTree,
  decodeLedgerEntry,
  decodeWriteSet,
  decryptEntry,
  entryToLeaf,
  formatChunkName,
  isSignatureWriteSet,
  type LedgerEntry,
  type LedgerFile,
  type LedgerSecrets,
  type MerkleTree,
  type NamedChunk,
  orderLedgerFiles,
  readSignature,
  type SnapshotState,
  type Store,
  type TxId,
  type WriteSet,
  writeSetToChanges,
} from "@coco/store";
import { nodeErrors } from "./errors.ts";

interface OpenedLedgerFile extends LedgerFile {
  close(): void;
}

/** A ledger file on disk, read piece by piece. */
function openLedgerFile(directory: string, name: string): OpenedLedgerFile {
  const path = join(directory, name);
  const descriptor = openSync(path, "r");
  return {
    name,
    sizeBytes: statSync(path).size,
    read(offset, lengthBytes) {
      const bytes = Buffer.allocUnsafeSlow(lengthBytes);
      return bytes.subarray(0, readSync(descriptor, bytes, 0, lengthBytes, offset));
    },
    close: () => closeSync(descriptor),
  };
}

function listChunks(directory: string): readonly NamedChunk<{ readonly name: string }>[] {
  const names = readdirSync(directory).map((name) => ({ name }));
  return orderLedgerFiles(names, undefined).chunks;
}

/**
 * Ends the open chunk with its last signature: cuts off what follows, writes the table of
 * positions, and gives the file its committed name. A chunk without a signature goes away.
 */
export function sealOpenChunk(directory: string): void {
  const last = listChunks(directory).at(-1);
  if (last === undefined || last.chunk.endSeqno !== undefined) return;
  const file = openLedgerFile(directory, last.file.name);
  const positions: number[] = [];
  let signed = { count: 0, endOffset: 0 };
  try {
    for (const { offset, bytes } of new ChunkReader(file).entries()) {
      positions.push(offset);
      if (isSignatureWriteSet(readPublic(decodeLedgerEntry(bytes)))) {
        signed = { count: positions.length, endOffset: offset + bytes.length };
      }
    }
  } finally {
    file.close();
  }
  const path = join(directory, last.file.name);
  if (signed.count === 0) {
    unlinkSync(path);
    return;
  }
  const table = new Uint8Array(signed.count * 4);
  const view = new DataView(table.buffer);
  for (let index = 0; index < signed.count; index++) {
    view.setUint32(index * 4, positions[index]!, true);
  }
  const header = new Uint8Array(8);
  new DataView(header.buffer).setBigUint64(0, BigInt(signed.endOffset), true);
  const descriptor = openSync(path, "r+");
  try {
    ftruncateSync(descriptor, signed.endOffset);
    writeSync(descriptor, table, 0, table.length, signed.endOffset);
    fsyncSync(descriptor);
    writeSync(descriptor, header, 0, header.length, 0);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  const endSeqno = last.chunk.startSeqno + signed.count - 1;
  renameSync(path, join(directory, formatChunkName(last.chunk.startSeqno, endSeqno, true)));
}

function readPublic(entry: LedgerEntry): WriteSet {
  return decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset);
}

export interface ReplayResult {
  readonly lastTxId: TxId;
  readonly tree: MerkleTree;
  /** First seqno of each view, in order. */
  readonly views: readonly TxId[];
}

/** The state before the first transaction that is replayed: that of a snapshot. */
export type ReplayStart = Pick<SnapshotState, "txId" | "tree" | "viewFirstSeqnos">;

export interface ReplayOptions {
  /** Absent: the ledger is replayed from its beginning. */
  readonly start?: ReplayStart | undefined;
  readonly directory: string;
  readonly crypto: Crypto;
  readonly secrets: LedgerSecrets;
  /** Holds the state of `start`, or nothing. */
  readonly store: Store;
  /** DER SubjectPublicKeyInfo of the service. */
  readonly servicePublicKey: Uint8Array;
  /** What is known to be committed: a ledger that ends before it was rolled back by the host. */
  readonly committedSeqno: number;
  /** Called for each transaction, in order. */
  readonly onTransaction?: (txId: TxId, writeSet: WriteSet) => void;
}

/** @throws {CocoError} LedgerRolledBack, LedgerNotOurs, and the errors of the ledger formats */
export function replayLedger(options: ReplayOptions): ReplayResult {
  const { directory, crypto, store, start } = options;
  const tree = start?.tree ?? createMerkleTree();
  const views = (start?.viewFirstSeqnos ?? []).map((seqno, index) => ({ view: index + 1, seqno }));
  let lastTxId: TxId = start?.txId ?? { view: 0, seqno: 0 };
  for (const { file: named, chunk } of listChunks(directory)) {
    if ((chunk.endSeqno ?? Number.POSITIVE_INFINITY) <= lastTxId.seqno) continue;
    const file = openLedgerFile(directory, named.name);
    try {
      for (const { bytes } of new ChunkReader(file).entries()) {
        const entry = decodeLedgerEntry(bytes);
        if (entry.txId.seqno <= store.seqno) continue;
        checkNext(options, entry);
        // Decrypting authenticates the public part too, also when the private one is empty.
        const secret = decryptEntry(crypto, entry, options.secrets);
        const writeSet = { maps: [...readPublic(entry).maps, ...secret.maps] };
        if (isSignatureWriteSet(writeSet)) checkRoot(options, tree, writeSet, entry.txId);
        tree.append(entryToLeaf(crypto, entry));
        store.apply(writeSetToChanges(writeSet));
        store.compact(store.seqno);
        if (entry.txId.view !== lastTxId.view) views.push(entry.txId);
        lastTxId = entry.txId;
        options.onTransaction?.(entry.txId, writeSet);
      }
    } finally {
      file.close();
    }
  }
  if (lastTxId.seqno < options.committedSeqno) {
    const detail = `it ends at ${lastTxId.seqno}, but ${options.committedSeqno} was committed`;
    throw nodeErrors.create("LedgerRolledBack", detail, { directory });
  }
  return { lastTxId, tree, views };
}

/** The ledger may begin after a snapshot, but not later. */
function checkNext({ store, directory }: ReplayOptions, { txId }: LedgerEntry): void {
  const seqno = store.seqno + 1;
  if (txId.seqno === seqno) return;
  const detail = `transaction ${seqno} is missing before ${txId.seqno}`;
  throw nodeErrors.create("LedgerNotOurs", detail, { directory, seqno });
}

function checkRoot(options: ReplayOptions, tree: MerkleTree, writeSet: WriteSet, txId: TxId): void {
  const { crypto, servicePublicKey, directory } = options;
  const { root, cose } = readSignature(writeSet);
  const actual = tree.root(txId.seqno);
  const problem = !equalBytes(root, actual)
    ? `its root is ${bytesToHex(root)}, the entries give ${bytesToHex(actual)}`
    : cose === undefined
      ? "it has no signature of the service"
      : checkCoseSignature(crypto, cose, servicePublicKey, root);
  if (problem === undefined) return;
  const place = `signature ${txId.view}.${txId.seqno}: ${problem}`;
  throw nodeErrors.create("LedgerNotOurs", place, { directory, seqno: txId.seqno });
}
