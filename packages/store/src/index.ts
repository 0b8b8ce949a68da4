// Ledger formats.
export { changesToWriteSet, writeSetToChanges } from "./changes.ts";
export { type ChunkName, type ChunkState, formatChunkName, parseChunkName } from "./chunk-name.ts";
export {
  type ChunkEntry,
  ChunkReader,
  type IncompleteTail,
  type LedgerFile,
} from "./chunk-reader.ts";
export {
  type CoseReceipt,
  createCoseReceipt,
  followServiceEndorsements,
  parseCoseReceipt,
  verifyCoseReceipt,
} from "./cose-receipt.ts";
export { checkCommitEvidence, decryptEntry } from "./entry-decryption.ts";
export { ledgerErrors } from "./errors.ts";
// Key-value store.
export {
  type AccessRights,
  accessToRights,
  explainRefusal,
  type TableClass,
  tableNameToClass,
} from "./kv/access.ts";
export {
  bytesCodec,
  type Codec,
  hexIdCodec,
  jsonCodec,
  textCodec,
  u64Codec,
} from "./kv/codecs.ts";
export { storeErrors } from "./kv/errors.ts";
export { createHistoricalTransaction } from "./kv/historical-transaction.ts";
export { createStore } from "./kv/store.ts";
export {
  createTypedTable,
  createTypedValue,
  type TypedTable,
  type TypedValue,
} from "./kv/typed-table.ts";
export type {
  Access,
  Changes,
  CommitResult,
  RangeOptions,
  ScannedTable,
  Seqno,
  Store,
  StoreContents,
  StoredEntry,
  StoreScan,
  Table,
  TableChanges,
  TableContents,
  TextRangeOptions,
  Transaction,
} from "./kv/types.ts";
export {
  type AuditedTransaction,
  type AuditOptions,
  type AuditReport,
  auditLedger,
} from "./ledger-audit.ts";
export {
  type DecryptedTransaction,
  type DecryptOptions,
  type DecryptReport,
  decryptLedger,
  recoverSecrets,
  SecretRecordCollector,
  type SecretRecords,
} from "./ledger-decrypt.ts";
export { type LedgerDirectory, type NamedChunk, orderLedgerFiles } from "./ledger-directory.ts";
export { decodeLedgerEntry, entryFlag, entryType, type LedgerEntry } from "./ledger-entry.ts";
export type { FileChange, LedgerBatch, LedgerWrite } from "./ledger-layout.ts";
export { type LedgerSecret, type LedgerSecretInForce, LedgerSecrets } from "./ledger-secrets.ts";
export { findMap, findSingleton, ledgerTable, singletonKey } from "./ledger-tables.ts";
export {
  AppendedTransaction,
  defaultChunkSizeBytes,
  type LedgerAppend,
  LedgerWriter,
  type LedgerWriterOptions,
} from "./ledger-writer.ts";
export { createMerkleTree, foldProof, MerkleTree, type ProofStep } from "./merkle-tree.ts";
export {
  createReceipt,
  createSignatureReceipt,
  parseReceipt,
  type Receipt,
  type ReceiptCheck,
  type ReceiptExpectation,
  type ReceiptLeaf,
  receiptToJson,
  type VerifiedReceipt,
  verifyReceipt,
} from "./receipt.ts";
export {
  createHistoricalSecret,
  createNodeSecrets,
  createRecoveryShares,
  type EncryptedNodeSecret,
  type HistoricalSecretRecord,
  openFromTable,
  openShare,
  type RecoveryMember,
  type RecoverySharesRecord,
  readHistoricalSecret,
  readNodeSecrets,
  readRecoveryShares,
  recoverLatestSecret,
  recoverSecretChain,
  sealForTable,
} from "./secret-records.ts";
export {
  combineShares,
  decodeShare,
  encodeShare,
  type Share,
  splitSecret,
} from "./secret-sharing.ts";
export { type ServiceIdentity, ServiceState } from "./service-state.ts";
export {
  type CoseIssuer,
  checkCoseSignature,
  checkNodeSignature,
  coseTxId,
  finishSignature,
  isSignatureWriteSet,
  type PreparedSignature,
  prepareSignature,
  type RecordedSignature,
  readSignature,
  type SignatureRequest,
  serviceKeyId,
} from "./signature-transaction.ts";
export {
  createSnapshotEvidence,
  decodeSnapshotFile,
  decryptSnapshotMaps,
  encodeSnapshot,
  formatSnapshotName,
  parseSnapshotName,
  type SnapshotContent,
  type SnapshotFile,
  type SnapshotMap,
  type SnapshotName,
  type SnapshotRow,
  snapshotDigest,
  verifySnapshot,
} from "./snapshot.ts";
export { type SnapshotState, snapshotToState } from "./snapshot-state.ts";
export {
  type SnapshotPart,
  SnapshotStream,
  type SnapshotStreamOptions,
  scannedRowSizeBytes,
} from "./snapshot-stream.ts";
export {
  CommitEvidence,
  entryToLeaf,
  type LeafComponents,
  leafComponentsToDigest,
  noClaimsDigest,
} from "./transaction-digest.ts";
export { compareTxIds, type TxId, textToTxId, txIdToText } from "./tx-id.ts";
export {
  decodeWriteSet,
  isPublicMap,
  type MapChanges,
  publicMapPrefix,
  type WriteSet,
} from "./write-set.ts";
