import { bytesToHex, isCocoError, signCoseSign1, utf8ToBytes } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import { describe, expect, test } from "vitest";
import { createCoseReceipt, parseCoseReceipt, verifyCoseReceipt } from "./cose-receipt.ts";
import { auditLedger } from "./ledger-audit.ts";
import { recoverSecrets, SecretRecordCollector } from "./ledger-decrypt.ts";
import { MerkleTree } from "./merkle-tree.ts";
import {
  presentLedgers,
  readExchanges,
  readLedger,
  readMemberKeys,
  readPem,
} from "./real-ledgers.testing.ts";
import {
  createReceipt,
  createSignatureReceipt,
  parseReceipt,
  type Receipt,
  receiptToJson,
  verifyReceipt,
} from "./receipt.ts";
import { type RecordedSignature, readSignature } from "./signature-transaction.ts";
import { TestService, write } from "./test-service.testing.ts";
import { type TxId, txIdToText } from "./tx-id.ts";

const crypto = createNodeCrypto();

/** A receipt for transaction 3 of a small ledger, in both forms. */
async function makeReceipts() {
  const service = await TestService.create();
  service.append(write("notes", "a", "1"));
  const claims = crypto.sha256(new Uint8Array([1]));
  const components = service.append(write("notes", "b", "2"), claims);
  service.append(write("notes", "c", "3"));
  const signature = readSignature(await service.sign());
  const certificate = signature.certificate!;
  const receipt = createReceipt({
    tree: service.writer.tree,
    seqno: 3,
    components,
    signed: { ...signature, certificate },
  });
  const proof = service.writer.tree.path(3, signature.seqno);
  const cose = createCoseReceipt(signature.coseBytes!, components, proof);
  const { serviceCertificate } = service;
  const signatureReceipt = createSignatureReceipt({ ...signature, certificate });
  return { service, receipt, signatureReceipt, cose, claims, serviceCertificate };
}

describe("JSON receipts", () => {
  // Goal: a receipt that we make verifies, says which transaction it is for, and is what the
  // person expects.
  test("verify", async () => {
    const { receipt, signatureReceipt, claims, serviceCertificate } = await makeReceipts();
    const again = parseReceipt(JSON.parse(JSON.stringify(receiptToJson(receipt))));
    const expected = { serviceCertificate, claimsDigest: claims, txId: "2.3" };
    expect(verifyReceipt(crypto, again, expected)).toMatchObject({
      txId: { view: 2, seqno: 3 },
      claimsDigest: new Uint8Array(claims),
    });
    expect(() => verifyReceipt(crypto, again, { ...expected, txId: "2.4" })).toThrow(
      expect.objectContaining({ facts: { check: "transaction" } }),
    );
    const otherClaims = { ...expected, claimsDigest: new Uint8Array(32) };
    expect(() => verifyReceipt(crypto, again, otherClaims)).toThrow(
      expect.objectContaining({ facts: { check: "claims" } }),
    );
    const plain = parseReceipt(JSON.parse(JSON.stringify(receiptToJson(signatureReceipt))));
    expect(verifyReceipt(crypto, plain, { serviceCertificate }).txId).toBeUndefined();
  });

  // Goal: the receipts that a live service sent verify, those of signatures included, and after
  // a recovery through the chain to the new service identity.
  test("of a live service verify", () => {
    const exchanges = readExchanges().map((line) => JSON.parse(line));
    if (exchanges.length === 0) {
      console.warn("SKIPPED: no recorded exchanges (set COCO_VECTORS)");
      return;
    }
    const identities = new Map([["main", readPem("live_service", "service_cert.pem")]]);
    const receipts: {
      set: string;
      body: string;
      claims: string;
      json: Record<string, unknown>;
    }[] = [];
    for (const { set, response } of exchanges) {
      const body = response?.body ?? "";
      if (!/"(proof|service_certificate)"/.test(body)) continue;
      const json = JSON.parse(body);
      if (set === "recovery" && json.service_certificate !== undefined) {
        identities.set(set, json.service_certificate);
      }
      // Apps send receipts without the endorsements, so they lead to the former identity; and
      // without the digest of claims that they send beside it.
      const claims = json.receipt?.leaf_components.claims_digest === undefined ? json.msg : "";
      const inner = { set: "main", body: "", claims, json: json.receipt };
      if (json.receipt !== undefined) receipts.push(inner);
      else if (json.proof !== undefined) receipts.push({ set, body, claims: "", json });
    }
    for (const { set, body, claims, json } of receipts) {
      const receipt = parseReceipt(json);
      const serviceCertificate = identities.get(set)!;
      const claimsDigest = claims === "" ? undefined : crypto.sha256(utf8ToBytes(claims));
      const result = verifyReceipt(crypto, receipt, { serviceCertificate, claimsDigest });
      expect(result.root.length).toBe(32);
      if (body !== "") expect(JSON.stringify(receiptToJson(receipt))).toBe(body);
    }
    expect(receipts.length).toBe(7);
  });

  // Goal: whatever field of a receipt is changed, it is refused with a typed error; changes of
  // what is signed name the check.
  test("are refused when any field is changed", async () => {
    const { receipt, signatureReceipt, serviceCertificate } = await makeReceipts();
    for (const original of [receipt, signatureReceipt]) {
      const text = JSON.stringify(receiptToJson(original));
      for (const path of leafPaths(JSON.parse(text))) {
        const json = JSON.parse(text);
        changeAt(json, path);
        const check = () => verifyReceipt(crypto, parseReceipt(json), { serviceCertificate });
        expect(check, path.join(".")).toThrow(
          expect.objectContaining({ code: expect.stringMatching(/^(BadReceipt|Receipt)/) }),
        );
      }
    }
  });

  // Goal: dropping, adding or turning a step of the proof is refused.
  test("are refused when the proof is rearranged", async () => {
    const { receipt, serviceCertificate } = await makeReceipts();
    const { proof } = receipt;
    const turned = proof.map((step, index) =>
      index === 0 ? { ...step, side: step.side === "left" ? "right" : "left" } : step,
    ) as typeof proof;
    for (const changed of [proof.slice(1), [...proof, proof[0]!], turned, proof.toReversed()]) {
      const check = () =>
        verifyReceipt(crypto, { ...receipt, proof: changed }, { serviceCertificate });
      expect(check).toThrow(expect.objectContaining({ facts: { check: "signature" } }));
    }
  });

  // Goal: each kind of forgery is refused by the check that is meant for it.
  test("name the failed check", async () => {
    const { receipt, serviceCertificate } = await makeReceipts();
    const other = await makeReceipts();
    const check = (changed: Partial<typeof receipt>, certificate = serviceCertificate) => {
      try {
        verifyReceipt(crypto, { ...receipt, ...changed }, { serviceCertificate: certificate });
      } catch (error) {
        return isCocoError(error) ? error.facts["check"] : error;
      }
      return "accepted";
    };
    expect(check({})).toBe("accepted");
    expect(check({}, other.serviceCertificate)).toBe("endorsement");
    expect(check({ nodeId: other.receipt.nodeId })).toBe("nodeId");
    expect(check({ certificate: "-----BEGIN" })).toBe("certificate");
    const { certificate, nodeId } = other.receipt;
    expect(check({ certificate, nodeId })).toBe("endorsement");
    expect(check({ serviceEndorsements: [other.serviceCertificate] })).toBe("endorsement");
    expect(check({ signature: other.receipt.signature })).toBe("signature");
  });
});

type Path = readonly (string | number)[];

function leafPaths(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([key, item]) => leafPaths(item, [...path, key]));
}

/** Changes one character in the middle of a text, within the alphabet it has. */
function changeAt(json: unknown, path: Path): void {
  let target = json as Record<string, unknown>;
  for (const key of path.slice(0, -1)) target = target[key] as Record<string, unknown>;
  const key = path.at(-1)!;
  const text = target[key] as string;
  const at = Math.floor(text.length / 2);
  const changed = text[at] === "a" ? "b" : "a";
  target[key] = text.slice(0, at) + changed + text.slice(at + 1);
}

/** Both receipts of every transaction of a real ledger, as a service makes them on request. */
function receiptsOfLedger(name: string): Map<string, { json: Receipt; cose: Uint8Array }> {
  const records = new SecretRecordCollector();
  const waiting: { txId: TxId; digest: Uint8Array; claims: Uint8Array }[] = [];
  const signed: { record: RecordedSignature; covered: typeof waiting }[] = [];
  auditLedger(readLedger(name), {
    crypto,
    onTransaction: ({ entry, writeSet, isSignature }) => {
      records.apply(writeSet, entry.txId.seqno);
      if (isSignature) signed.push({ record: readSignature(writeSet), covered: waiting.splice(0) });
      const digest = crypto.sha256(entry.bytes);
      waiting.push({ txId: entry.txId, digest, claims: new Uint8Array(entry.claimsDigest!) });
    },
  });
  const { secrets } = recoverSecrets(crypto, records, readMemberKeys(name));
  const receipts = new Map<string, { json: Receipt; cose: Uint8Array }>();
  for (const { record, covered } of signed) {
    const tree = MerkleTree.deserialise(record.serialisedTree);
    for (const { txId, digest, claims } of covered) {
      const commitEvidence = secrets.at(txId.seqno).commitEvidence.text(txId);
      const components = { writeSetDigest: digest, commitEvidence, claimsDigest: claims };
      const { seqno } = txId;
      const certificate = record.certificate!;
      const json = createReceipt({ tree, seqno, components, signed: { ...record, certificate } });
      const cose = createCoseReceipt(record.coseBytes!, components, tree.path(seqno, record.seqno));
      receipts.set(txIdToText(txId), { json, cose });
    }
  }
  return receipts;
}

describe("receipts from a real ledger", () => {
  const isPresent = presentLedgers().some(({ name }) => name === "live_service");

  // Goal: what we make of a real ledger is what the live service sent, byte for byte, and every
  // transaction of the ledger has a receipt of both kinds that verifies.
  test.runIf(isPresent)("are those that the service sent", () => {
    const receipts = receiptsOfLedger("live_service");
    expect(receipts.size).toBe(65);
    const serviceCertificate = readPem("live_service", "service_cert.pem");
    for (const [txId, { json, cose }] of receipts) {
      const expected = { serviceCertificate, txId };
      expect(verifyReceipt(crypto, json, expected).root).toEqual(
        verifyCoseReceipt(crypto, parseCoseReceipt(cose), expected).root,
      );
    }
    let compared = 0;
    for (const line of readExchanges()) {
      const { set, request, response } = JSON.parse(line);
      const txId = /\/receipt\?transaction_id=([0-9.]+)$/.exec(request?.path ?? "")?.[1];
      const isProof = (response?.body ?? "").includes("leaf_components");
      if (set !== "main" || txId === undefined || !isProof) continue;
      expect(JSON.stringify(receiptToJson(receipts.get(txId)!.json))).toBe(response.body);
      compared++;
    }
    expect(compared).toBe(2);
  });
});

describe("COSE receipts", () => {
  // Goal: a COSE receipt that we make verifies with the service's key alone.
  test("verify", async () => {
    const { cose, claims, serviceCertificate, service } = await makeReceipts();
    const result = verifyCoseReceipt(crypto, parseCoseReceipt(cose), {
      serviceCertificate,
      claimsDigest: claims,
      txId: "2.3",
    });
    expect(bytesToHex(result.root)).toBe(bytesToHex(service.writer.tree.root(5)));
  });

  // Goal: after a recovery a receipt of the former service verifies with the new certificate,
  // through the endorsement that the new key gave to the old one, and only through it.
  test("verify through an endorsement of the former service", async () => {
    const { cose, service } = await makeReceipts();
    const next = await TestService.create();
    const { serviceCertificate } = next;
    const endorse = (payload: Uint8Array) =>
      signCoseSign1({ signer: next.serviceKey, headers: new Map(), payload });
    const check = (endorsements: readonly Uint8Array[]) =>
      verifyCoseReceipt(crypto, parseCoseReceipt(cose), { serviceCertificate, endorsements });
    expect(check([endorse(service.serviceKey.publicKey)]).txId).toEqual({ view: 2, seqno: 3 });
    const refusedBy = (failed: string) => expect.objectContaining({ facts: { check: failed } });
    expect(() => check([])).toThrow(refusedBy("key"));
    expect(() => check([endorse(next.nodeKey.publicKey)])).toThrow(refusedBy("key"));
    const forged = endorse(service.serviceKey.publicKey);
    forged[forged.length - 1]! ^= 1;
    expect(() => check([forged])).toThrow(refusedBy("endorsement"));
    expect(() => check([new Uint8Array(3)])).toThrow(refusedBy("endorsement"));
  });

  // Goal: no byte of a COSE receipt can be changed.
  test("are refused when any byte is changed", async () => {
    const { cose, serviceCertificate } = await makeReceipts();
    for (let index = 0; index < cose.length; index++) {
      const changed = new Uint8Array(cose);
      changed[index]! ^= 1 << (index % 8);
      const check = () =>
        verifyCoseReceipt(crypto, parseCoseReceipt(changed), { serviceCertificate });
      expect(check, `byte ${index}`).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^(BadReceipt|Receipt)/) }),
      );
    }
  });
});
