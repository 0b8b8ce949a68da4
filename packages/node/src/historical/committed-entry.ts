/** One committed transaction, authenticated and decoded, and the receipt that a signature gives. */
import type { Aead, Hash } from "@coco/base";
import { equalBytes, isCocoError } from "@coco/base";
import type { ConsensusView, HistoricalState, TxId } from "@coco/runtime";
import {
  type Changes,
  createHistoricalTransaction,
  createReceipt,
  createSignatureReceipt,
  decodeLedgerEntry,
  decodeWriteSet,
  decryptEntry,
  entryToLeaf,
  isSignatureWriteSet,
  type LedgerEntry,
  type LedgerSecrets,
  MerkleTree,
  noClaimsDigest,
  type Receipt,
  type RecordedSignature,
  readSignature,
  receiptToJson,
  type Transaction,
  type WriteSet,
  writeSetToChanges,
} from "@coco/store";
import { historicalErrors } from "./errors.ts";
import type { EntryPlace } from "./ledger-entries.ts";

export interface EntryDecoder {
  readonly crypto: Hash & Aead;
  /** The secrets as of now: a re-key adds one. */
  readonly secrets: () => LedgerSecrets;
  readonly consensus: Pick<ConsensusView, "viewOf">;
  /** Former service certificates that lead from a node certificate to the current service. */
  readonly serviceEndorsements?: (nodeCertificate: string, txId: TxId) => readonly string[];
}

/** What a signature transaction proves. */
export interface SignatureRecord extends RecordedSignature {
  readonly tree: MerkleTree;
}

export interface DecodedEntry {
  readonly txId: TxId;
  readonly entry: LedgerEntry;
  readonly writeSet: WriteSet;
  readonly signature: SignatureRecord | undefined;
}

/**
 * Decodes an entry from anywhere. The tag of its encryption authenticates all of it, public part
 * and number included; the view says that it was not rolled back.
 * @throws {CocoError} LedgerEntryWrong
 */
export function decodeCommittedEntry(decoder: EntryDecoder, place: EntryPlace): DecodedEntry {
  const fail = (detail: string, cause?: unknown) =>
    historicalErrors.create(
      "LedgerEntryWrong",
      `${place.file}, seqno ${place.seqno}: ${detail}`,
      { file: place.file, seqno: place.seqno },
      cause,
    );
  try {
    const entry = decodeLedgerEntry(place.bytes);
    const { txId } = entry;
    if (txId.seqno !== place.seqno) throw fail(`it is transaction ${txId.seqno}`);
    if (txId.view !== decoder.consensus.viewOf(txId.seqno)) {
      throw fail(`view ${txId.view} was rolled back`);
    }
    const hidden = decryptEntry(decoder.crypto, entry, decoder.secrets());
    const shared = decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset);
    const writeSet = { maps: [...shared.maps, ...hidden.maps] };
    const signature = isSignatureWriteSet(shared) ? toSignature(shared, fail) : undefined;
    return { txId, entry, writeSet, signature };
  } catch (error) {
    if (isCocoError(error) && error.code !== "LedgerEntryWrong") throw fail(error.message, error);
    throw error;
  }
}

function toSignature(writeSet: WriteSet, fail: (detail: string) => Error): SignatureRecord {
  const record = readSignature(writeSet);
  if (record.serialisedTree === undefined) throw fail("the signature records no tree");
  return { ...record, tree: MerkleTree.deserialise(record.serialisedTree) };
}

type Fields = Readonly<Record<string, unknown>>;

/** A past transaction for applications; its receipt and its tables are made when asked for. */
export class CommittedTransaction implements HistoricalState {
  readonly txId: TxId;
  /** Bytes that it holds, roughly. */
  readonly sizeBytes: number;
  readonly #decoder: EntryDecoder;
  readonly #decoded: DecodedEntry;
  readonly #signature: SignatureRecord;
  #changes: Changes | undefined;

  /**
   * @param signature the first one at or after the transaction
   * @param sharerCount how many transactions hold that signature and its tree together
   */
  constructor(
    decoder: EntryDecoder,
    decoded: DecodedEntry,
    signature: SignatureRecord,
    sharerCount: number,
  ) {
    this.#decoder = decoder;
    this.#decoded = decoded;
    this.#signature = signature;
    this.txId = decoded.txId;
    const treeBytes = 2 * (signature.serialisedTree?.length ?? 0);
    this.sizeBytes = 2 * decoded.entry.bytes.length + 512 + Math.ceil(treeBytes / sharerCount);
  }

  get changes(): Changes {
    this.#changes ??= writeSetToChanges(this.#decoded.writeSet);
    return this.#changes;
  }

  get transaction(): Transaction {
    return createHistoricalTransaction(this.txId.seqno, this.changes);
  }

  /**
   * CCF's JSON receipt.
   * @throws {CocoError} LedgerEntryWrong when the signed tree does not hold the transaction
   */
  get jsonReceipt(): Record<string, unknown> {
    const json = receiptToJson(this.#receipt());
    const { entry, signature } = this.#decoded;
    if (entry.claimsDigest !== undefined || signature !== undefined) return json;
    // The leaf of an older entry has fewer components, or none: it is the entry's digest.
    const { leaf_components: components, ...rest } = json;
    const { commit_evidence, write_set_digest } = components as Fields;
    if (entry.commitEvidenceDigest === undefined) return { ...rest, leaf: write_set_digest };
    return { ...json, leaf_components: { commit_evidence, write_set_digest } };
  }

  /** The receipt as scripts get it: other order, and marked when it is of a signature. */
  get receipt(): Record<string, unknown> {
    const { cert, leaf, leaf_components, node_id, proof, signature, ...rest } = this.jsonReceipt;
    const isSignature = this.#decoded.signature !== undefined;
    const head = { signature, cert, node_id, is_signature_transaction: isSignature };
    if (isSignature) return { ...head, root_hex: leaf, ...rest };
    if (leaf_components === undefined) return { ...head, leaf, proof, ...rest };
    const { claims_digest, commit_evidence, write_set_digest } = leaf_components as Fields;
    const components = { write_set_digest, commit_evidence, claims_digest };
    return { ...head, leaf_components: components, proof, ...rest };
  }

  #receipt(): Receipt {
    const { entry, signature: own } = this.#decoded;
    const signed = own ?? this.#signature;
    const { certificate } = signed;
    if (certificate === undefined) throw this.#fail("the signature records no certificate");
    const named = { ...signed, certificate };
    const { crypto, secrets } = this.#decoder;
    const serviceEndorsements = this.#decoder.serviceEndorsements?.(certificate, this.txId) ?? [];
    if (own !== undefined) return { ...createSignatureReceipt(named), serviceEndorsements };
    const { seqno } = this.txId;
    const { tree } = signed;
    if (seqno < tree.firstLeaf || !equalBytes(tree.leaf(seqno), entryToLeaf(crypto, entry))) {
      throw this.#fail(`the tree of signature ${signed.seqno} does not hold it`);
    }
    return createReceipt({
      tree,
      seqno,
      components: {
        writeSetDigest: crypto.sha256(entry.bytes),
        commitEvidence: secrets().at(seqno).commitEvidence.text(this.txId),
        claimsDigest: entry.claimsDigest ?? noClaimsDigest,
      },
      signed: named,
      serviceEndorsements,
    });
  }

  #fail(detail: string) {
    const { view, seqno } = this.txId;
    return historicalErrors.create("LedgerEntryWrong", `${view}.${seqno}: ${detail}`, { seqno });
  }
}
