import { generateKeyPairSync, sign } from "node:crypto";
import { utf8ToBytes } from "@coco/base";
import { describe, expect, test } from "vitest";
import { crypto, hasVectors, readVector } from "../vectors.testing.ts";
import { verifyEvidence } from "../verification.ts";
import { bytesToToken, maaVerifier, tokenToFormat } from "./maa-token.ts";

const issuer = "https://shared.example.attest.azure.net";
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const jwk = { ...publicKey.export({ format: "jwk" }), kid: "key-1" };
const jwks = utf8ToBytes(JSON.stringify({ keys: [jwk] }));
const now = Date.parse("2026-11-20T12:00:00Z");
const seconds = now / 1000;

const snpClaims = {
  iss: issuer,
  nbf: seconds - 60,
  exp: seconds + 3600,
  "x-ms-attestation-type": "sevsnpvm",
  "x-ms-sevsnpvm-launchmeasurement": "ab".repeat(48),
  "x-ms-sevsnpvm-hostdata": "cd".repeat(32),
  "x-ms-sevsnpvm-reportdata": "01".repeat(64),
  "x-ms-sevsnpvm-is-debuggable": false,
  "x-ms-sevsnpvm-idkeydigest": "ef".repeat(48),
};

function createToken(claims: object, header: object = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "RS256", typ: "JWT", kid: "key-1", ...header })}.${part(claims)}`;
  return `${signed}.${sign("sha256", Buffer.from(signed), privateKey).toString("base64url")}`;
}

function judge(token: string, keys = jwks, name = `jwks:${issuer}`) {
  const quote = utf8ToBytes(token);
  const format = tokenToFormat(quote) ?? "Microsoft_SNP_MAA";
  const evidence = { format, quote, endorsements: new Uint8Array(0) };
  const collateral = new Map([[name, keys]]);
  return verifyEvidence([maaVerifier], { evidence, nowMs: now, crypto, collateral });
}

describe("tokens of an attestation service", () => {
  // Goal: a good token gives claims in the common shape.
  test("claims", () => {
    const result = judge(createToken(snpClaims));
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.claims).toMatchObject({
      platform: "snp",
      format: "Microsoft_SNP_MAA",
      measurement: "ab".repeat(48),
      hostData: "cd".repeat(32),
      signer: "ef".repeat(48),
      isDebug: false,
      details: { issuer },
    });
    expect(result.claims?.reportData).toEqual(new Uint8Array(64).fill(1));
    const nested = {
      ...snpClaims,
      "x-ms-attestation-type": "azurevm",
      "x-ms-isolation-tee": snpClaims,
    };
    expect(judge(createToken(nested)).claims?.measurement).toBe("ab".repeat(48));
  });

  // Goal: each way in which a token is not to be trusted has its code.
  test("refusals", () => {
    const code = (claims: object, header = {}) =>
      judge(createToken({ ...snpClaims, ...claims }, header)).code;
    expect(code({})).toBeUndefined();
    expect(code({ exp: seconds - 1 })).toBe("TokenExpired");
    expect(code({ nbf: seconds + 60 })).toBe("TokenExpired");
    expect(code({ exp: "soon" })).toBe("TokenExpired");
    expect(code({ "x-ms-sevsnpvm-is-debuggable": true })).toBe("DebugEnabled");
    expect(code({ "x-ms-sevsnpvm-is-debuggable": undefined })).toBe("DebugEnabled");
    expect(code({ iss: "https://other.example" })).toBe("TokenIssuerNotTrusted");
    expect(code({ iss: 5 })).toBe("EvidenceMalformed");
    expect(code({ "x-ms-attestation-type": "sgx" })).toBe("EvidenceMalformed");
    expect(code({}, { alg: "none" })).toBe("EvidenceMalformed");
    expect(code({}, { alg: "HS256" })).toBe("EvidenceMalformed");
    expect(code({}, { crit: ["x"] })).toBe("EvidenceMalformed");
    expect(code({}, { kid: "key-2" })).toBe("TokenInvalid");
    const elsewhere = judge(createToken(snpClaims), jwks, "jwks:https://other.example");
    expect(elsewhere.code).toBe("TokenIssuerNotTrusted");
    expect(judge(createToken(snpClaims), utf8ToBytes("[]")).ok).toBe(false);
    const other = {
      ...generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "jwk" }),
      kid: "key-1",
    };
    const stranger = utf8ToBytes(JSON.stringify({ keys: [other] }));
    expect(judge(createToken(snpClaims), stranger).code).toBe("TokenInvalid");
  });

  // Goal: no changed character passes.
  test("tampering", () => {
    const token = createToken(snpClaims);
    for (let at = 0; at < token.length; at += 3) {
      const letter = token[at] === "A" ? "B" : "A";
      const changed = token.slice(0, at) + letter + token.slice(at + 1);
      expect(judge(changed).ok, String(at)).toBe(false);
    }
  });

  // Goal: a VBS token has to vouch for every setting of the boot.
  test("vbs", () => {
    const vbs = {
      iss: issuer,
      nbf: seconds - 60,
      exp: seconds + 60,
      "x-ms-attestation-type": "tpm",
      enclaveUniqueId: "ab".repeat(32),
      rp_data: "01".repeat(32),
      enclaveFlags: 0,
      aikValidated: true,
      secureBootEnabled: true,
      iommuEnabled: true,
      bootDebuggingDisabled: true,
      notSafeMode: true,
      notWinPE: true,
      vbsEnabled: true,
      vbsReportPresent: true,
    };
    expect(judge(createToken(vbs)).claims).toMatchObject({ platform: "vsm" });
    expect(judge(createToken(vbs)).ok).toBe(true);
    expect(judge(createToken({ ...vbs, enclaveFlags: 1 })).code).toBe("DebugEnabled");
    expect(judge(createToken({ ...vbs, enclaveFlags: undefined })).code).toBe("DebugEnabled");
    for (const name of Object.keys(vbs).filter((key) => vbs[key as keyof typeof vbs] === true)) {
      expect(judge(createToken({ ...vbs, [name]: false })).code, name).toBe("BootStateRefused");
    }
  });

  // Goal: a real token is read; without the keys of its day it is not believed.
  test.skipIf(!hasVectors)("real token", () => {
    const quote = readVector("maa/sev-snp-jwt.txt");
    expect(tokenToFormat(quote)).toBe("Microsoft_SNP_MAA");
    expect(bytesToToken(quote).claims["iss"]).toBe("https://sharedweu.weu.test.attest.azure.net");
    const result = judge(Buffer.from(quote).toString());
    expect(result.code).toBe("TokenIssuerNotTrusted");
    expect(result.claims?.measurement).toMatch(/^02c3b0d5bf1d256f/);
  });
});
