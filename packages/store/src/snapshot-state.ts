/** From a snapshot to the state that a node goes on with. */
import { type Aead, bytesToHex, bytesToLatin1, type CocoError, equalBytes } from "@coco/base";
import { ledgerErrors } from "./errors.ts";
import type { StoreContents, StoredEntry, TableContents } from "./kv/types.ts";
import { ledgerTable } from "./ledger-tables.ts";
import { MerkleTree } from "./merkle-tree.ts";
import { type RecordedSignature, readSignature } from "./signature-transaction.ts";
import { decryptSnapshotMaps, type SnapshotFile, type SnapshotMap } from "./snapshot.ts";
import type { TxId } from "./tx-id.ts";
import { isPublicMap, type MapChanges } from "./write-set.ts";

/** Everything that replaying the ledger up to and including `txId` would give. */
export interface SnapshotState {
  /** The signature transaction at which the snapshot was taken. */
  readonly txId: TxId;
  /** For `createStore`. */
  readonly contents: StoreContents;
  /** Its last leaf is that of `txId`; earlier ones may be dropped. For `LedgerWriter`. */
  readonly tree: MerkleTree;
  /** First seqno of each view, from view 1 on. */
  readonly viewFirstSeqnos: readonly number[];
  /** The signature that the transaction recorded. */
  readonly signature: RecordedSignature;
}

function fail(detail: string): CocoError {
  return ledgerErrors.create("BadSnapshot", detail);
}

/**
 * Checks that the parts of a snapshot fit together. Who made it is for `verifySnapshot` to say.
 * @param key ledger secret in force at the snapshot; undefined: only the public tables
 * @throws {CocoError} BadSnapshot, BadTree, BadSignatureTransaction, WrongSecret
 */
export function snapshotToState(
  aead: Aead,
  snapshot: SnapshotFile,
  key: Uint8Array | undefined,
): SnapshotState {
  const { entry, content } = snapshot;
  const { seqno } = content.txId;
  const secret = key === undefined ? [] : decryptSnapshotMaps(aead, entry, key);
  checkMaps(content.maps, seqno, true);
  checkMaps(secret, seqno, false);
  const viewFirstSeqnos = content.viewHistory;
  checkViews(viewFirstSeqnos, seqno);
  const txId = { view: viewFirstSeqnos.length, seqno };
  const signature = readSignature({ maps: signatureMaps(content.maps, seqno) });
  if (signature.seqno !== seqno || signature.view !== txId.view) {
    throw fail(`its signature is of ${signature.view}.${signature.seqno}, not of ${seqno}`);
  }
  const tree = MerkleTree.deserialise(signature.serialisedTree);
  if (tree.leafCount !== seqno) throw fail(`its tree has ${tree.leafCount} leaves, not ${seqno}`);
  const root = tree.root();
  if (!equalBytes(root, signature.root)) {
    throw fail(`its tree has the root ${bytesToHex(root)}, which is not the signed one`);
  }
  if (content.hashAtSnapshot.length !== 32) throw fail("it has no leaf of its transaction");
  tree.append(content.hashAtSnapshot);
  const tables = [...content.maps, ...secret].map(mapToTable);
  tables.sort((left, right) => (left.name < right.name ? -1 : 1));
  return { txId, contents: { seqno, tables }, tree, viewFirstSeqnos, signature };
}

function checkMaps(maps: readonly SnapshotMap[], seqno: number, isPublic: boolean): void {
  const names = new Set<string>();
  for (const { name, version } of maps) {
    if (isPublicMap(name) !== isPublic) throw fail("a map is in the wrong domain");
    if (names.has(name)) throw fail("a map occurs twice");
    if (version > seqno) throw fail("a map is newer than the snapshot");
    names.add(name);
  }
}

function checkViews(firstSeqnos: readonly number[], seqno: number): void {
  let last = 1;
  for (const first of firstSeqnos) {
    if (first < last || first > seqno) throw fail("its views are not in order");
    last = first;
  }
  if (firstSeqnos.length === 0 || firstSeqnos[0] !== 1) throw fail("its views do not begin at 1");
}

const signatureTables: ReadonlySet<string> = new Set([
  ledgerTable.signatures,
  ledgerTable.coseSignatures,
  ledgerTable.tree,
]);

/** What the signature transaction wrote: rows of an older one may stand beside it. */
function signatureMaps(maps: readonly SnapshotMap[], seqno: number): MapChanges[] {
  const found: MapChanges[] = [];
  for (const { name, version, rows } of maps) {
    if (!signatureTables.has(name) || version !== seqno) continue;
    const writes = Array.from(rows, ({ key, value }) => [key, value] as const);
    found.push({ name, readVersion: 0, writes, removes: [] });
  }
  return found;
}

function mapToTable({ name, version, rows }: SnapshotMap): TableContents {
  const entries = new Map<string, StoredEntry>();
  let count = 0;
  for (const row of rows) {
    if (row.version > version) throw fail("a row is newer than its map");
    entries.set(bytesToLatin1(row.key), { value: bytesToLatin1(row.value), version: row.version });
    count++;
  }
  if (entries.size !== count) throw fail("a key occurs twice");
  return { name, version, size: count, entries };
}
