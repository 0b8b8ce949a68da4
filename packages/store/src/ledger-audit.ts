import {
  bytesToHex,
  type Certificates,
  type CocoError,
  equalBytes,
  type Hash,
  isCocoError,
  pemToDer,
  type Verifier,
} from "@coco/base";
import {
  type ChunkEntry,
  ChunkReader,
  chunkHeaderBytes,
  type IncompleteTail,
  type LedgerFile,
} from "./chunk-reader.ts";
import { errorDetail, ledgerErrors } from "./errors.ts";
import { orderLedgerFiles } from "./ledger-directory.ts";
import { decodeLedgerEntry, entryFlag, entryType, type LedgerEntry } from "./ledger-entry.ts";
import { createMerkleTree, MerkleTree } from "./merkle-tree.ts";
import { ServiceState } from "./service-state.ts";
import {
  checkCoseSignature,
  checkNodeSignature,
  coseTxId,
  isSignatureWriteSet,
  type RecordedSignature,
  readSignature,
} from "./signature-transaction.ts";
import { entryToLeaf } from "./transaction-digest.ts";
import { type TxId, txIdToText } from "./tx-id.ts";
import { decodeWriteSet, type WriteSet } from "./write-set.ts";

/** A transaction as the auditor has read it. All bytes are views. */
export interface AuditedTransaction {
  readonly place: ChunkEntry;
  readonly entry: LedgerEntry;
  /** The public part. */
  readonly writeSet: WriteSet;
  readonly isSignature: boolean;
  /** Its leaf in the Merkle tree, 32 bytes. */
  readonly leaf: Uint8Array;
}

export interface AuditOptions {
  readonly crypto: Hash & Verifier & Certificates;
  /** PEM: the ledger must belong to this service. */
  readonly serviceCertificate?: string | undefined;
  /** Accept an open chunk whose last write was cut off; it is reported. */
  readonly allowIncompleteTail?: boolean | undefined;
  /** Called for each transaction in order, after its own checks, before a signature covers it. */
  readonly onTransaction?: ((transaction: AuditedTransaction) => void) | undefined;
}

export interface AuditReport {
  readonly chunks: number;
  readonly transactions: number;
  readonly signatures: number;
  readonly coseSignatures: number;
  readonly lastTxId: string;
  /** Hexadecimal; over all transactions, the last one included. */
  readonly root: string;
  /** The last signature; 0.0 when there is none. Every transaction before it is authentic. */
  readonly lastSignedTxId: string;
  /**
   * Transactions after the last signature. They are well-formed and chained, but nothing in the
   * ledger proves them, and a node may still roll them back: they are not committed. Of the last
   * signature's own entry everything is checked but its tag and its commit evidence digest; those
   * need the ledger secrets.
   */
  readonly unsignedTransactions: number;
  /** The last signature that the service key made, or that a node made which it had endorsed. */
  readonly lastEndorsedSeqno: number;
  /** PEM of the service identity in force at the end. */
  readonly serviceCertificate: string | undefined;
  readonly serviceStatus: string | undefined;
  /** A cut-off write at the end of the open chunk. */
  readonly incompleteTail: (IncompleteTail & { readonly file: string }) | undefined;
  /** Files that were not read: set aside, of an unfinished recovery, or no ledger files. */
  readonly otherFiles: readonly string[];
}

/** Leaves that are kept below the last recorded tree, to compare the next ones byte for byte. */
const keptLeaves = 65_536;

/**
 * Verifies a whole ledger offline: names and order of the files, structure of every entry,
 * continuity of sequence numbers and views, the Merkle tree, and every signature over it by the
 * nodes and by the service identity that the ledger itself records at that point.
 *
 * What it cannot know: whether a ledger was cut off after a signature (compare `lastTxId` with the
 * service), and whether it belongs to the service the person means, unless its certificate is
 * given.
 * @throws {CocoError} naming the file, the offset and the sequence number
 */
export function auditLedger(files: Iterable<LedgerFile>, options: AuditOptions): AuditReport {
  return new Auditor(options).run(files);
}

type ChunkPlace = Omit<ChunkEntry, "bytes">;

class Auditor {
  readonly #crypto: Hash & Verifier & Certificates;
  readonly #options: AuditOptions;
  readonly #tree = createMerkleTree();
  readonly #service: ServiceState;
  #last: TxId = { view: 0, seqno: 0 };
  #lastSigned: TxId = { view: 0, seqno: 0 };
  #lastEndorsedSeqno = 0;
  #signatures = 0;
  #coseSignatures = 0;
  #wasLastSignature = false;
  /** From the last signature on; to name the one that was changed. */
  #placesSinceSignature: ChunkPlace[] = [];
  #changedPlace: ChunkPlace | undefined;
  #incompleteTail: AuditReport["incompleteTail"];

  constructor(options: AuditOptions) {
    this.#options = options;
    this.#crypto = options.crypto;
    this.#service = new ServiceState(options.crypto);
  }

  run(files: Iterable<LedgerFile>): AuditReport {
    const directory = orderLedgerFiles(files);
    if (directory.chunks.length === 0) {
      throw ledgerErrors.create("BadLedger", "there are no ledger files");
    }
    for (const { file } of directory.chunks) this.#auditChunk(file);
    if (this.#signatures === 0) {
      throw ledgerErrors.create(
        "BadLedger",
        "it holds no signature: nothing of it can be verified",
      );
    }
    this.#checkGivenService();
    const otherFiles = directory.otherFiles.map((file) => file.name);
    return this.#report(directory.chunks.length, otherFiles);
  }

  #report(chunks: number, otherFiles: readonly string[]): AuditReport {
    const identity = this.#service.identity;
    return {
      chunks,
      transactions: this.#last.seqno,
      signatures: this.#signatures,
      coseSignatures: this.#coseSignatures,
      lastTxId: txIdToText(this.#last),
      root: bytesToHex(this.#tree.root()),
      lastSignedTxId: txIdToText(this.#lastSigned),
      unsignedTransactions: this.#last.seqno - this.#lastSigned.seqno,
      lastEndorsedSeqno: this.#lastEndorsedSeqno,
      serviceCertificate: identity?.pem,
      serviceStatus: this.#service.status,
      incompleteTail: this.#incompleteTail,
      otherFiles,
    };
  }

  #auditChunk(file: LedgerFile): void {
    const reader = new ChunkReader(file);
    let flags = 0;
    for (const place of reader.entries()) {
      try {
        flags = this.#auditEntry(place, flags);
      } catch (cause) {
        throw isCocoError(cause) ? withPlace(cause, this.#changedPlace ?? place) : cause;
      }
    }
    const bad = (detail: string) =>
      ledgerErrors.create("BadChunk", `${file.name}: ${detail}`, {
        file: file.name,
        offset: reader.incompleteTail?.offset ?? reader.entriesEnd,
        seqno: this.#last.seqno,
      });
    if (reader.isComplete && !this.#wasLastSignature) throw bad("it does not end with a signature");
    const tail = reader.incompleteTail;
    if (tail !== undefined) {
      const { offset, sizeBytes } = tail;
      if (this.#options.allowIncompleteTail !== true) {
        throw bad(`${sizeBytes} bytes at ${offset} are no whole entry: the file was cut off`);
      }
      this.#incompleteTail = { ...tail, file: file.name };
    } else if (!reader.isComplete && (flags & entryFlag.endChunkAfter) !== 0) {
      throw bad("its last entry ends the chunk, but the table of positions is missing");
    }
  }

  /** @param flagsBefore of the entry before in the same chunk. @returns the entry's flags */
  #auditEntry(place: ChunkEntry, flagsBefore: number): number {
    const entry = decodeLedgerEntry(place.bytes);
    this.#checkContinuity(entry, place);
    const writeSet = decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset);
    const isSignature = isSignatureWriteSet(writeSet);
    this.#checkFlags(entry.flags, flagsBefore, place, isSignature);
    // A new node's or service's rows are in force for signatures from the next transaction on.
    if (isSignature) this.#auditSignature(entry, writeSet);
    this.#service.apply(writeSet, entry.txId.seqno);
    const leaf = entryToLeaf(this.#crypto, entry);
    this.#options.onTransaction?.({ place, entry, writeSet, isSignature, leaf });
    this.#tree.append(leaf);
    this.#last = entry.txId;
    this.#wasLastSignature = isSignature;
    if (isSignature) this.#placesSinceSignature = [];
    const { file, offset, seqno } = place;
    this.#placesSinceSignature.push({ file, offset, seqno });
    return entry.flags;
  }

  #checkFlags(flags: number, before: number, place: ChunkEntry, isSignature: boolean): void {
    const isFirst = place.offset === chunkHeaderBytes;
    if ((flags & entryFlag.endChunkBefore) !== 0 && !isFirst) {
      throw ledgerErrors.create("BadEntry", "the chunk should have ended before this entry");
    }
    if (!isFirst && (before & entryFlag.endChunkAfter) !== 0) {
      throw ledgerErrors.create("BadEntry", "the chunk should have ended with the entry before");
    }
    if ((flags & entryFlag.endChunkAfter) !== 0 && !isSignature) {
      throw ledgerErrors.create("BadEntry", "a chunk may end only with a signature");
    }
  }

  #checkContinuity(entry: LedgerEntry, place: ChunkEntry): void {
    const { view, seqno } = entry.txId;
    if (seqno !== place.seqno || seqno !== this.#last.seqno + 1) {
      const detail = `transaction ${txIdToText(entry.txId)} stands where ${place.seqno} should`;
      throw ledgerErrors.create("BadLedger", detail, { seqno });
    }
    if (view < this.#last.view) {
      const detail = `view ${view} follows view ${this.#last.view}`;
      throw ledgerErrors.create("BadLedger", detail, { seqno });
    }
    if (entry.type === entryType.snapshot) {
      throw ledgerErrors.create("BadEntry", "a snapshot is no transaction", { seqno });
    }
  }

  #auditSignature(entry: LedgerEntry, writeSet: WriteSet): void {
    const bad = (detail: string) => ledgerErrors.create("BadSignatureTransaction", detail);
    checkPlainEntry(entry, bad);
    const signature = readSignature(writeSet);
    if (signature.seqno !== entry.txId.seqno || signature.view !== entry.txId.view) {
      throw bad("it names another transaction");
    }
    const root = this.#tree.root();
    if (!equalBytes(root, signature.root)) throw this.#explainRoot(signature);
    // Type 4 came with a version that signs with the certificates of the tables.
    const isExact = entry.type === entryType.writeSetWithBoth;
    const key = this.#service.signingKey(signature.nodeId, signature.certificate, isExact);
    const preimage = this.#tree.rootPreimage();
    const { crypto } = this.#options;
    const refusal = checkNodeSignature(crypto, key.publicKey, root, preimage, signature.signature);
    if (refusal !== undefined) throw ledgerErrors.create("BadSignature", refusal);
    this.#auditCose(signature, root);
    this.#auditTree(signature.serialisedTree);
    if (key.isEndorsed || signature.cose !== undefined) this.#lastEndorsedSeqno = signature.seqno;
    this.#signatures++;
    this.#lastSigned = entry.txId;
  }

  /** Finds the transaction whose leaf differs from the one in the tree that was signed. */
  #explainRoot(signature: RecordedSignature): CocoError {
    const recorded = MerkleTree.deserialise(signature.serialisedTree);
    const isSigned =
      recorded.leafCount === this.#tree.leafCount && equalBytes(recorded.root(), signature.root);
    const changed = this.#placesSinceSignature.find(({ seqno }) => {
      if (!isSigned || seqno < recorded.firstLeaf) return false;
      return !equalBytes(recorded.leaf(seqno), this.#tree.leaf(seqno));
    });
    const signed = `the signature at ${signature.view}.${signature.seqno}`;
    if (changed === undefined) {
      const detail = `the root under ${signed} is not the root of the ledger`;
      return ledgerErrors.create("BadSignature", detail);
    }
    this.#changedPlace = changed;
    return ledgerErrors.create("BadSignature", `the transaction is not what ${signed} covers`);
  }

  #auditCose(signature: RecordedSignature, root: Uint8Array): void {
    const { cose } = signature;
    if (cose === undefined) return;
    const identity = this.#service.identity;
    if (identity === undefined) {
      throw ledgerErrors.create("BadSignature", "a COSE signature stands before any service");
    }
    const { publicKey } = identity.certificate;
    const refusal = checkCoseSignature(this.#crypto, cose, publicKey, root);
    if (refusal !== undefined) throw ledgerErrors.create("BadSignature", refusal);
    if (coseTxId(cose) !== txIdToText({ view: signature.view, seqno: signature.seqno })) {
      throw ledgerErrors.create("BadSignature", "the COSE signature names another transaction");
    }
    this.#coseSignatures++;
  }

  /** The recorded tree must be exactly the ledger's own. */
  #auditTree(serialised: Uint8Array): void {
    const recorded = MerkleTree.deserialise(serialised);
    const isComparable = recorded.firstLeaf >= this.#tree.firstLeaf;
    const isEqual =
      recorded.leafCount === this.#tree.leafCount &&
      (isComparable
        ? equalBytes(serialised, this.#tree.serialise(recorded.firstLeaf))
        : equalBytes(recorded.root(), this.#tree.root()));
    if (!isEqual) throw ledgerErrors.create("BadTree", "the recorded tree is not the ledger's");
    this.#tree.flush(Math.max(0, recorded.firstLeaf - keptLeaves));
  }

  #checkGivenService(): void {
    const { serviceCertificate } = this.#options;
    if (serviceCertificate === undefined) return;
    const given = this.#crypto.parse(pemToDer(serviceCertificate));
    const recorded = this.#service.identity;
    if (recorded === undefined || !equalBytes(recorded.certificate.publicKey, given.publicKey)) {
      throw ledgerErrors.create("UntrustedService", "its key differs from the given certificate's");
    }
    // Anyone can copy a certificate into a ledger of the oldest format, whose nodes sign alone.
    if (this.#lastEndorsedSeqno < recorded.sinceSeqno) {
      const detail = "no signature leads to the key of the given certificate";
      throw ledgerErrors.create("UntrustedService", detail);
    }
  }
}

/** A signature transaction has no private part, no claims, and nothing in its reserved field. */
function checkPlainEntry(entry: LedgerEntry, bad: (detail: string) => CocoError): void {
  if (entry.ciphertext.length > 0) throw bad("it writes private tables too");
  if (entry.claimsDigest?.some((byte) => byte !== 0) === true) throw bad("it has claims");
  const reserved = entry.publicDomain.subarray(entry.mapsOffset - 8, entry.mapsOffset);
  const isOld = entry.type === entryType.writeSet;
  if (!isOld && reserved.some((byte) => byte !== 0)) throw bad("its reserved field is not 0");
}

/** The same error, with the place in the files in its text and facts. */
export function withPlace(error: CocoError, place: ChunkPlace): CocoError {
  const codes = ledgerErrors.descriptions as Readonly<Record<string, unknown>>;
  const code = Object.hasOwn(codes, error.code)
    ? (error.code as keyof typeof ledgerErrors.descriptions)
    : "BadEntry";
  const at = `${place.file}, byte ${place.offset}, seqno ${place.seqno}`;
  const facts = { ...error.facts, file: place.file, offset: place.offset, seqno: place.seqno };
  return ledgerErrors.create(code, `${at}: ${errorDetail(error)}`, facts, error);
}
