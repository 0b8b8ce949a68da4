/** Receipts, checked offline with the same code that the node runs. */
import { bytesToHex, type Certificates, type Hash, type Verifier } from "@coco/base";
import {
  parseCoseReceipt,
  parseReceipt,
  txIdToText,
  verifyCoseReceipt,
  verifyReceipt,
} from "@coco/store";

/** CCF's JSON receipt, as `/node/receipt` answers. */
export type JsonReceipt = Readonly<Record<string, unknown>>;

export interface ReceiptExpectation {
  /** The transaction that the receipt must be for: `view.seqno`. */
  readonly txId?: string;
  /** The claims themselves; their SHA-256 must be what was committed. */
  readonly claims?: Uint8Array;
}

/** What a receipt proves. */
export interface ReceiptVerdict {
  /** Undefined for a signature transaction, whose receipt does not name it. */
  readonly txId: string | undefined;
  /** Hex Merkle root that the service signed. */
  readonly root: string;
  /** Hex; undefined for a signature transaction; zeros when the app set no claims. */
  readonly claimsDigest: string | undefined;
}

/**
 * Verifies a receipt against the service that is trusted.
 * @param receipt parsed JSON, or the bytes of a COSE receipt
 * @param serviceCertificate PEM
 * @throws {CocoError} BadReceipt, ReceiptNotVerified, BadCertificate
 */
export function verifyServiceReceipt(
  crypto: Hash & Verifier & Certificates,
  receipt: unknown,
  serviceCertificate: string,
  { txId, claims }: ReceiptExpectation = {},
): ReceiptVerdict {
  const claimsDigest = claims && crypto.sha256(claims);
  const expected = { serviceCertificate, txId, claimsDigest };
  const verified =
    receipt instanceof Uint8Array
      ? verifyCoseReceipt(crypto, parseCoseReceipt(receipt), expected)
      : verifyReceipt(crypto, parseReceipt(receipt), expected);
  return {
    txId: verified.txId && txIdToText(verified.txId),
    root: bytesToHex(verified.root),
    claimsDigest: verified.claimsDigest && bytesToHex(verified.claimsDigest),
  };
}
