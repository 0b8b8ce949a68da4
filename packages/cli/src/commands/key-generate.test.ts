import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createNodeCrypto } from "@coco/base/node";
import { expect, test } from "vitest";
import { coco, createTestDirectory } from "../run.testing.ts";

const temporary = createTestDirectory();

// Goal: a member's files have CCF's names, belong together, and keep the secret ones private.
test("a member", async () => {
  const out = join(temporary, "member");
  const { code, json } = await coco([
    "key",
    "generate",
    "--role",
    "member",
    "--out",
    out,
    "--json",
  ]);
  expect(code).toBe(0);
  expect(readdirSync(out).sort()).toEqual([
    "member0_cert.pem",
    "member0_enc_privk.pem",
    "member0_enc_pubk.pem",
    "member0_privk.pem",
  ]);
  const certificate = new X509Certificate(readFileSync(join(out, "member0_cert.pem")));
  const key = createPrivateKey(readFileSync(join(out, "member0_privk.pem")));
  expect(certificate.checkPrivateKey(key)).toBe(true);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.subject).toBe("CN=member0");
  expect(key.asymmetricKeyDetails?.namedCurve).toBe("secp384r1");
  expect(json()).toMatchObject({
    id: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
  });
  const encryption = createPublicKey(readFileSync(join(out, "member0_enc_pubk.pem")));
  expect(encryption.asymmetricKeyDetails?.modulusLength).toBe(2048);
  const crypto = createNodeCrypto();
  const share = Uint8Array.of(1, 2, 3);
  const wrapped = crypto.wrapRsaOaep(
    readFileSync(join(out, "member0_enc_pubk.pem"), "utf8"),
    share,
  );
  const secret = readFileSync(join(out, "member0_enc_privk.pem"), "utf8");
  expect(Uint8Array.from(crypto.unwrapRsaOaep(secret, wrapped))).toEqual(share);
  for (const name of ["member0_privk.pem", "member0_enc_privk.pem"]) {
    expect(statSync(join(out, name)).mode & 0o077).toBe(0);
  }
});

// Goal: a user has no encryption key; name and curve can be chosen; nothing is ever replaced.
test("a user", async () => {
  const out = join(temporary, "user");
  const line = ["key", "generate", "--role", "user", "--out", out, "--name", "acme-bank"];
  const { code } = await coco([...line, "--curve", "secp256r1"]);
  expect(code).toBe(0);
  expect(readdirSync(out).sort()).toEqual(["acme-bank_cert.pem", "acme-bank_privk.pem"]);
  const before = readFileSync(join(out, "acme-bank_privk.pem"), "utf8");
  const again = await coco(line);
  expect(again.code).toBe(1);
  expect(again.talk).toContain("COCO-9003 The file exists already");
  expect(readFileSync(join(out, "acme-bank_privk.pem"), "utf8")).toBe(before);
});
