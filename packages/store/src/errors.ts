/** Errors of the store room: 2000 to 2099 the key-value store, 2100 to 2199 the ledger formats. */
import { type CocoError, defineErrors, type ErrorDescription } from "@coco/base";

/** Errors of the formats: entries, chunks, signatures, receipts, secrets, snapshots. */
export const ledgerErrors = defineErrors("ledger", {
  BadWriteSet: {
    number: 2100,
    title: "The bytes are not a write set",
    next: "Take the ledger from another node: this copy was damaged or is not a ledger",
  },
  BadEntry: {
    number: 2101,
    title: "The bytes are not a ledger entry",
    next: "Take the ledger from another node: this copy was damaged or is not a ledger",
  },
  BadChunk: {
    number: 2102,
    title: "The ledger file is damaged",
    next: "Take the named file from another node or from a backup",
  },
  BadLedger: {
    number: 2103,
    title: "The ledger files do not fit together",
    next: "Put back the missing files, or take the ledger from another node",
  },
  BadTree: {
    number: 2104,
    title: "The bytes are not a serialised Merkle tree",
    next: "Take the ledger from another node: this copy was damaged",
  },
  LeafNotRetained: {
    number: 2105,
    title: "The Merkle tree does not hold the leaf",
    next: "Ask for a transaction that exists, or read the tree of a later signature",
  },
  BadSignature: {
    number: 2106,
    title: "A signature of the ledger does not verify",
    next: "Do not trust this ledger from the named transaction on; take it from another node",
  },
  BadSignatureTransaction: {
    number: 2107,
    title: "The signature transaction is malformed",
    next: "Do not trust this ledger from the named transaction on; take it from another node",
  },
  UntrustedNode: {
    number: 2108,
    title: "The ledger was signed by a node that is not part of the service",
    next: "Do not trust this ledger from the named transaction on; take it from another node",
  },
  UntrustedService: {
    number: 2109,
    title: "The ledger does not belong to the given service",
    next: "Give the certificate of the service that wrote the ledger",
  },
  BadReceipt: {
    number: 2110,
    title: "The receipt is malformed",
    next: "Ask the service for the receipt again",
  },
  ReceiptNotVerified: {
    number: 2111,
    title: "The receipt does not verify",
    next: "Do not rely on it; ask the service for the receipt again",
  },
  BadSnapshot: {
    number: 2112,
    title: "The snapshot is damaged",
    next: "Use another snapshot, or replay the ledger from its beginning",
  },
  BadShare: {
    number: 2113,
    title: "The recovery share cannot be used",
    next: "Give the share that belongs to the member, of the last re-sharing",
  },
  NotEnoughShares: {
    number: 2114,
    title: "There are fewer recovery shares than the threshold",
    next: "Give the encryption keys of more members",
  },
  BadSecretRecord: {
    number: 2115,
    title: "A record of ledger secrets is malformed",
    next: "Take the ledger from another node: this copy was damaged",
  },
  SecretMissing: {
    number: 2116,
    title: "No ledger secret is known for the transaction",
    next: "Recover the ledger secrets with the members' recovery shares",
  },
  WrongSecret: {
    number: 2117,
    title: "The private part of the transaction does not decrypt",
    next: "Check that the keys belong to this ledger and that the file was not changed",
  },
  EntryTooLarge: {
    number: 2118,
    title: "The transaction is too large for the ledger",
    next: "Split the writes over several transactions",
  },
});

/** The text of a ledger error without its title, for an error of the same kind around it. */
export function errorDetail(error: CocoError): string {
  const descriptions: Readonly<Record<string, ErrorDescription>> = ledgerErrors.descriptions;
  const start = `${descriptions[error.code]?.title}: `;
  return error.message.startsWith(start) ? error.message.slice(start.length) : error.message;
}
