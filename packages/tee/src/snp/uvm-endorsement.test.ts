import {
  bytesToBase64Url,
  type CborValue,
  derObjectIdentifier,
  derSequence,
  hexToBytes,
  signCoseSign1,
  utf8ToBytes,
} from "@coco/base";
import { describe, expect, test } from "vitest";
import { attempt } from "../attempt.ts";
import { flip, issue } from "../test-pki.testing.ts";
import { crypto, hasVectors, readVector, readVectorText } from "../vectors.testing.ts";
import { CheckList } from "../verification.ts";
import { bytesToUvmStatement, checkUvmEndorsement } from "./uvm-endorsement.ts";

const usage = "1.3.6.1.4.1.311.76.59.1.2";

function check(bytes: Uint8Array, measurement?: Uint8Array) {
  const list = new CheckList();
  const found = attempt(
    list,
    "uvm",
    () => checkUvmEndorsement(list, { crypto }, bytes, measurement),
    "UvmEndorsementInvalid",
  );
  return { found, code: list.toResult("snp", undefined).code };
}

describe.skipIf(!hasVectors)("real endorsements of utility VMs", () => {
  // Goal: both real statements verify although their leaves have expired.
  test("verify", () => {
    const first = check(readVector("aci-milan/body.uvm_reference_info.bin"));
    expect(first).toMatchObject({ code: undefined, found: { svn: 22 } });
    const text = readVectorText("aci-security-context/reference-info-base64");
    const bytes = Uint8Array.from(Buffer.from(text, "base64"));
    const second = check(bytes);
    expect(second).toMatchObject({
      code: undefined,
      found: { svn: 100, feed: "ContainerPlat-AMD-UVM" },
    });
    const measurement = Buffer.from(bytesToUvmStatement(bytes).measurement).toString("hex");
    expect(measurement.startsWith("03fea02823189b25")).toBe(true);
  });

  // Goal: no changed byte of the statement passes.
  test("tampering", () => {
    const bytes = readVector("aci-milan/body.uvm_reference_info.bin");
    const { measurement, message } = bytesToUvmStatement(bytes);
    // Nobody signs the unprotected header, and nothing is read from it.
    const payloadAt = Buffer.from(bytes).indexOf(message.payload!);
    const [from, to] = [5 + message.protectedBytes.length, payloadAt - 3];
    for (let at = 0; at < bytes.length; at += 31) {
      if (at >= from && at < to) continue;
      expect(check(flip(bytes, at, 1 << (at % 8)), measurement).code, String(at)).toBeDefined();
    }
  });
});

describe("statements of another issuer", () => {
  const root = issue({ subject: "CN=Root", isAuthority: true });
  const leafOf = (oid: string, more = {}) =>
    issue({
      subject: "CN=Leaf",
      issuer: root,
      extensions: { "2.5.29.37": derSequence(derObjectIdentifier(oid)) },
      ...more,
    });
  const did = (oid: string) =>
    `did:x509:0:sha256:${bytesToBase64Url(crypto.sha256(root.der))}::eku:${oid}`;
  const measurement = hexToBytes("ab".repeat(48));

  function create(leaf = leafOf(usage), issuer = did(usage), signedAt = Date.parse("2025-01-01")) {
    const cwt = new Map<CborValue, CborValue>([
      [1, issuer],
      [2, "Feed"],
      [6, signedAt / 1000],
      ["svn", 105],
    ]);
    const headers = new Map<CborValue, CborValue>([
      [15, cwt],
      [33, [leaf.der, root.der]],
      [259, "application/octet-stream"],
    ]);
    return signCoseSign1({ signer: leaf.key, headers, payload: measurement });
  }

  // Goal: the newer form with CWT claims and a raw measurement is read.
  test("CWT form", () => {
    expect(check(create(), measurement)).toEqual({
      code: undefined,
      found: { did: did(usage), feed: "Feed", svn: 105 },
    });
    expect(check(create(), hexToBytes("cd".repeat(48))).code).toBe("UvmMeasurementMismatch");
  });

  // Goal: usage, fingerprint, time of signing, signer and form decide.
  test("refusals", () => {
    const code = "UvmEndorsementInvalid";
    expect(check(create(leafOf("1.2.3"), did(usage))).code).toBe(code);
    expect(check(create(leafOf(usage), did("1.2.3"))).code).toBe(code);
    expect(check(create(leafOf(usage), did(usage).replace("sha256:", "sha256:A"))).code).toBe(code);
    expect(check(create(leafOf(usage), did(usage).split("::")[0])).code).toBe(code);
    const expired = leafOf(usage, { notAfterMs: Date.parse("2024-06-01") });
    expect(check(create(expired)).code).toBe(code);
    expect(check(create(expired, did(usage), Date.parse("2024-03-01"))).code).toBeUndefined();
    const headers = new Map<CborValue, CborValue>([
      [3, "application/json"],
      [33, root.der],
    ]);
    const alone = signCoseSign1({ signer: root.key, headers, payload: utf8ToBytes("{}") });
    expect(check(alone).code).toBe(code);
    for (const bytes of [new Uint8Array(0), Uint8Array.of(0xd2, 0x84), utf8ToBytes("{}")]) {
      expect(check(bytes).code).toBe(code);
    }
  });
});
