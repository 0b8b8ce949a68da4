/** The strongest test of the formats: real ledgers made again from their contents. */
import { bytesToHex, decodeCoseSign1, equalBytes, pemToDer } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import { describe, expect, test } from "vitest";
import { ByteWriter } from "./byte-writer.ts";
import { decryptEntry } from "./entry-decryption.ts";
import { encodeLedgerEntry } from "./entry-encoder.ts";
import { type AuditedTransaction, auditLedger } from "./ledger-audit.ts";
import { recoverSecrets, SecretRecordCollector } from "./ledger-decrypt.ts";
import { encodeEntryHeader, entryType } from "./ledger-entry.ts";
import { createMerkleTree, MerkleTree } from "./merkle-tree.ts";
import { presentLedgers, readLedger, readMemberKeys } from "./real-ledgers.testing.ts";
import { bytesToWords } from "./sha256.ts";
import { finishSignature, prepareSignature, readSignature } from "./signature-transaction.ts";
import { entryToLeaf } from "./transaction-digest.ts";

const crypto = createNodeCrypto();

function readAll(name: string) {
  const records = new SecretRecordCollector();
  const transactions: AuditedTransaction[] = [];
  auditLedger(readLedger(name), {
    crypto,
    onTransaction: (transaction) => {
      records.apply(transaction.writeSet, transaction.entry.txId.seqno);
      transactions.push(transaction);
    },
  });
  const { secrets } = recoverSecrets(crypto, records, readMemberKeys(name));
  return { transactions, secrets };
}

describe("real ledgers", () => {
  // Goal: decoding, decrypting, encoding and encrypting again gives the very same bytes.
  test.each(presentLedgers())("every current entry of $name is encoded as it was", ({ name }) => {
    const { transactions, secrets } = readAll(name);
    const writer = new ByteWriter();
    for (const { entry, writeSet } of transactions) {
      if (entry.type !== entryType.writeSetWithBoth) continue;
      const privateWriteSet = decryptEntry(crypto, entry, secrets);
      writer.length = 0;
      const { view, seqno } = entry.txId;
      encodeLedgerEntry(writer, crypto, {
        view,
        seqno,
        writeSet: { maps: [...writeSet.maps, ...privateWriteSet.maps] },
        claimsDigest: entry.claimsDigest!,
        commitEvidenceDigest: bytesToWords(entry.commitEvidenceDigest!),
        key: secrets.at(seqno).key,
      });
      encodeEntryHeader(writer.bytes, 0, entry.flags, writer.length);
      expect(equalBytes(writer.slice(), entry.bytes), `${view}.${seqno}`).toBe(true);
    }
  });

  // Goal: from a real ledger's tree and keys' signatures we make its signature transactions.
  test.each(presentLedgers().filter(({ coseSignatures }) => coseSignatures > 0))(
    "every COSE signature transaction of $name is made again",
    ({ name }) => {
      const { transactions } = readAll(name);
      const tree = createMerkleTree();
      let made = 0;
      let servicePublicKey: Uint8Array | undefined;
      for (const { entry, writeSet, isSignature } of transactions) {
        for (const map of writeSet.maps) {
          if (map.name !== "public:ccf.gov.service.info") continue;
          const { cert } = JSON.parse(new TextDecoder().decode(map.writes[0]![1]));
          servicePublicKey = crypto.parse(pemToDer(cert)).publicKey;
        }
        const real = isSignature ? readSignature(writeSet) : undefined;
        if (real?.coseBytes !== undefined) {
          const cose = decodeCoseSign1(real.coseBytes);
          const claims = cose.protectedHeaders.get(15) as ReadonlyMap<number, unknown>;
          const prepared = prepareSignature({
            hash: crypto,
            tree,
            txId: entry.txId,
            nodeId: real.nodeId,
            nodeCertificate: real.certificate!,
            servicePublicKey: servicePublicKey!,
            serviceAlgorithm: "ES384",
            coseIssuer: { issuer: String(claims.get(1)), subject: String(claims.get(2)) },
            issuedAtSeconds: Number(claims.get(6)),
            treeFrom: MerkleTree.deserialise(real.serialisedTree).firstLeaf,
          });
          expect(bytesToHex(prepared.coseProtected)).toBe(bytesToHex(cose.protectedBytes));
          const again = finishSignature(prepared, real.signature, cose.signature);
          expect(again.maps.map((map) => map.name)).toEqual(writeSet.maps.map((map) => map.name));
          for (const [index, map] of again.maps.entries()) {
            const [, value] = writeSet.maps[index]!.writes[0]!;
            expect(equalBytes(map.writes[0]![1], value), map.name).toBe(true);
          }
          made++;
        }
        tree.append(entryToLeaf(crypto, entry));
      }
      expect(made).toBeGreaterThan(4);
    },
  );
});
