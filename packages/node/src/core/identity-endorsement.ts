/** The chain of service identities: each one endorses the one before it, the first one itself. */
import {
  base64ToBytes,
  bytesToBase64,
  type CoseHeaders,
  hexToBytes,
  signCoseSign1,
} from "@coco/base";
import type { SigningKey } from "@coco/base/node";
import { governanceTables, internalTables } from "@coco/governance";
import {
  ledgerTable,
  singletonKey,
  type Transaction,
  type TxId,
  textToTxId,
  txIdToText,
} from "@coco/store";
import { nodeErrors } from "./errors.ts";

/** Label of CWT claims and of issued-at in a COSE header. @source RFC 9597, RFC 8392 */
const cwtClaims = 15;
const issuedAt = 6;

/** A recovered service begins this many views after its predecessor ended. @source CCF */
const viewsOfRecovery = 2;

interface Epoch {
  readonly begin: string;
  readonly end: string | undefined;
  /** 32 bytes: the last Merkle root that the endorsed service signed. */
  readonly endRoot: Uint8Array | undefined;
  /** DER SubjectPublicKeyInfo that is endorsed. */
  readonly publicKey: Uint8Array;
  readonly previousVersion: number | undefined;
}

function shift({ view, seqno }: TxId, sign: 1 | -1): string {
  return txIdToText({ view: view + sign * viewsOfRecovery, seqno: seqno + sign });
}

function readTxId(text: string | undefined, what: string): TxId {
  const txId = text === undefined ? undefined : textToTxId(text);
  if (txId === undefined) throw nodeErrors.create("StartFailed", `the service has no ${what}`);
  return txId;
}

function findEpoch(transaction: Transaction, ownKey: Uint8Array): Epoch {
  const service = governanceTables.serviceInfo.get(transaction);
  const created = readTxId(service?.current_service_create_txid, "create txid");
  const previous = internalTables.previousIdentityEndorsement.get(transaction);
  if (previous === undefined) {
    const begin = txIdToText(created);
    return {
      begin,
      end: undefined,
      endRoot: undefined,
      publicKey: ownKey,
      previousVersion: undefined,
    };
  }
  const { endorsement_epoch_begin: firstBegin, endorsement_epoch_end: lastEnd } = previous;
  const root = internalTables.previousServiceLastSignedRoot.get(transaction);
  if (root === undefined) throw nodeErrors.create("StartFailed", "there is no last signed root");
  return {
    begin: lastEnd === undefined ? firstBegin : shift(readTxId(lastEnd, "end of its epoch"), 1),
    end: shift(created, -1),
    endRoot: hexToBytes(root),
    publicKey: base64ToBytes(previous.endorsing_key),
    previousVersion: transaction.table(ledgerTable.previousIdentity).versionOf(singletonKey),
  };
}

/**
 * Adds the link of the service that opens now. After a recovery it endorses the identity before,
 * for the epoch from that one's first to its last transaction.
 * @throws {CocoError} StartFailed when the tables do not say what is to be endorsed
 */
export function endorseIdentity(
  transaction: Transaction,
  serviceKey: SigningKey,
  nowMs: number,
): void {
  const { begin, end, endRoot, publicKey, previousVersion } = findEpoch(
    transaction,
    serviceKey.publicKey,
  );
  const epoch = new Map<number | string, string | Uint8Array>([["epoch.start.txid", begin]]);
  if (end !== undefined) epoch.set("epoch.end.txid", end);
  if (endRoot !== undefined) epoch.set("epoch.end.merkle.root", endRoot);
  const headers: CoseHeaders = new Map<
    number | string,
    Map<number | string, string | number | Uint8Array>
  >([
    [cwtClaims, new Map([[issuedAt, Math.floor(nowMs / 1000)]])],
    ["ccf.v1", epoch],
  ]);
  const endorsement = signCoseSign1({ signer: serviceKey, headers, payload: publicKey });
  internalTables.previousIdentityEndorsement.set(transaction, {
    endorsement: bytesToBase64(endorsement),
    endorsement_epoch_begin: begin,
    ...(end === undefined ? {} : { endorsement_epoch_end: end }),
    endorsing_key: bytesToBase64(serviceKey.publicKey),
    ...(previousVersion === undefined ? {} : { previous_version: previousVersion }),
  });
}
