import { utf8ToBytes } from "@coco/base";
import { describe, expect, test } from "vitest";
import { assess } from "../appraisal.ts";
import { baselineRules, type PlatformRules } from "../platform-rules.ts";
import { flip, issue, issueCrl } from "../test-pki.testing.ts";
import { crypto, hasVectors, readVector, readVectorText } from "../vectors.testing.ts";
import { type VerificationInput, verifyEvidence } from "../verification.ts";
import { bytesToDcapQuote } from "./dcap-quote.ts";
import { sgxVerifier, tdxVerifier } from "./dcap-verifier.ts";

type Platform = "sgx" | "tdx";
type Bundle = Record<string, string>;

function judge(
  platform: Platform,
  quote: Uint8Array,
  endorsements: Uint8Array,
  at: string,
  more: Partial<VerificationInput> = {},
) {
  const format = platform === "sgx" ? "Intel_SGX_DCAP" : "Intel_TDX_DCAP";
  const input = { evidence: { format, quote, endorsements } as const, crypto, ...more };
  return verifyEvidence([sgxVerifier, tdxVerifier], { ...input, nowMs: Date.parse(at) });
}

/** The verdict of verification and baseline rules together, as a person asks for it. */
function decide(result: ReturnType<typeof judge>, rules: PlatformRules = {}, at = "2026-03-25") {
  if (!result.ok) return result.code;
  const { platform } = result.claims!;
  const own = { ...baselineRules[platform], ...rules };
  return assess(result.claims!, { [platform]: own }, Date.parse(at)).code;
}

const cases = [
  ["sgx", "sgx-phala/sgx_quote", "sgx-phala/sgx_quote_collateral.json", "2025-06-25"],
  ["sgx", "sgx-00a067-debug/quote.bin", "sgx-00a067-debug/collateral.json", "2025-06-25"],
  ["tdx", "tdx-phala/tdx_quote", "tdx-phala/tdx_quote_collateral.json", "2025-06-25"],
  [
    "tdx",
    "tdx-phala/tdx_quote_outdated",
    "tdx-phala/tdx_quote_outdated_collateral.json",
    "2026-03-01",
  ],
  ["tdx", "tdx-v5-90c06f/quote.bin", "tdx-v5-90c06f/collateral.json", "2026-03-25"],
  ["tdx", "tdx-v5-90c06f-b/quote.bin", "tdx-v5-90c06f-b/collateral.json", "2026-03-25"],
  ["tdx", "tdx-v4-50806f-debug/quote.bin", "tdx-v4-50806f-debug/collateral.json", "2026-03-25"],
  [
    "tdx",
    "tdx-v4-50806f-outofdate/quote.bin",
    "tdx-v4-50806f-outofdate/collateral.json",
    "2026-03-25",
  ],
  ["tdx", "tdx-v4-00806f05/quote.bin", "tdx-v4-00806f05/collateral.json", "2025-11-05"],
  ["tdx", "tdx-v4-00806f05-az/quote.bin", "tdx-v4-00806f05-az/collateral.json", "2025-11-05"],
] as const;

function run(name: string, more: Partial<VerificationInput> = {}, at?: string) {
  const [platform, quote, collateral, time] = cases.find(([, file]) => file.startsWith(name))!;
  return judge(platform, readVector(quote), readVector(collateral), at ?? time, more);
}

const advisories = ["INTEL-SA-00960", "INTEL-SA-00982", "INTEL-SA-00986"];

describe.skipIf(!hasVectors)("real SGX and TDX evidence", () => {
  // Goal: the manifest's SGX quote at its time, and not before or after its collateral.
  test("sgx-phala", () => {
    const result = run("sgx-phala");
    expect(result.ok).toBe(true);
    expect(result.claims).toMatchObject({
      measurement: "33d8736db756ed4997e04ba358d27833188f1932ff7b1d156904d3f560452fbb",
      signer: "815f42f11cf64430c30bab7816ba596a1da0130c3b028b673133a66cf9a3e0e6",
      cpu: "00a067110000",
      tcbStatus: "ConfigurationAndSWHardeningNeeded",
      advisories: ["INTEL-SA-00289", "INTEL-SA-00615"],
    });
    expect(Buffer.from(result.claims!.reportData).toString()).toContain("Hello, world!");
    expect(decide(result)).toBeUndefined();
    const strict = new Set(["UpToDate", "SWHardeningNeeded"]);
    expect(decide(result, { tcbStatuses: strict })).toBe("TcbTooOld");
    expect(decide(result, { advisories: new Set(["INTEL-SA-00289"]) })).toBe("TcbTooOld");
    expect(run("sgx-phala", {}, "2025-06-18").ok).toBe(false);
    expect(run("sgx-phala", {}, "2025-07-20").ok).toBe(false);
    expect(run("sgx-phala", {}, "2025-07-19T10:56:12Z").code).toBe("TcbInfoExpired");
  });

  // Goal: TDX 1.0 and 1.5 that are up to date.
  test.each([
    ["tdx-phala/tdx_quote", "91eb2b44d141d4ece09f0c75c2c53d247a3c68edd7fafe8a3520c942a604a407", 4],
    ["tdx-v5-90c06f/", "7348651a34b2d2d3462822e3a750ec6110125f36757c78480bbfc69cc0d21fb0", 5],
  ])("%s", (name, measurement, quoteVersion) => {
    const result = run(name);
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.claims?.measurement.startsWith(measurement)).toBe(true);
    expect(result.claims).toMatchObject({ tcbStatus: "UpToDate", details: { quoteVersion } });
    expect(decide(result)).toBeUndefined();
  });

  // Goal: each refusal of the manifest has its own reason.
  test("refused", () => {
    expect(run("sgx-00a067-debug").code).toBe("DebugEnabled");
    expect(run("sgx-00a067-debug", { isDebugAllowed: true }).ok).toBe(true);
    expect(run("tdx-v4-50806f-debug").code).toBe("DebugEnabled");
    expect(run("tdx-v4-50806f-debug").claims?.tcbStatus).toBe("OutOfDate");
    expect(run("tdx-v4-50806f-debug", { isDebugAllowed: true }).ok).toBe(true);
    expect(run("tdx-phala/tdx_quote_outdated").code).toBe("TcbLevelUnknown");
    expect(run("tdx-v5-90c06f-b").code).toBe("ConfigurationRefused");
    expect(run("tdx-v5-90c06f-b").checks).toContainEqual(
      expect.objectContaining({ name: "platform level", ok: false }),
    );
    expect(run("tdx-v4-50806f-outofdate").code).toBe("EvidenceMalformed");
    const quote = readVector("tdx-v4-50806f-outofdate/quote.bin");
    const trimmed = quote.subarray(0, quote.length - 39);
    const collateral = readVector("tdx-v4-50806f-outofdate/collateral.json");
    expect(judge("tdx", trimmed, collateral, "2026-03-25").code).toBe("TcbLevelUnknown");
  });

  // Goal: out of date is a fact that rules decide; so is a paravisor's domain.
  test("tdx-v4-00806f05", () => {
    const result = run("tdx-v4-00806f05/");
    expect(result.claims).toMatchObject({ tcbStatus: "OutOfDate", advisories });
    expect(decide(result)).toBe("TcbTooOld");
    expect(decide(result, { tcbStatuses: new Set(["OutOfDate"]) })).toBeUndefined();
    const azure = run("tdx-v4-00806f05-az");
    expect(azure.claims).toMatchObject({ tcbStatus: "OutOfDate", advisories });
    expect(decide(azure, { tcbStatuses: new Set(["OutOfDate"]) })).toBe("ConfigurationRefused");
  });

  // Goal: debug enclaves without collateral of their time are refused for being debuggable.
  test("sgx without collateral", () => {
    for (const [name, code] of [
      ["sgx-azuresamples/enclave.info.release.json", "CollateralMissing"],
      ["sgx-azuresamples/enclave.info.debug.json", "DebugEnabled"],
    ] as const) {
      const { QuoteHex } = JSON.parse(readVectorText(name)) as { QuoteHex: string };
      const quote = Uint8Array.from(Buffer.from(QuoteHex, "hex"));
      const result = judge("sgx", quote, new Uint8Array(0), "2024-06-01");
      expect(result.code).toBe(code);
      expect(result.checks).toContainEqual(
        expect.objectContaining({ name: "signature", ok: true }),
      );
    }
    const occlum = readVector("sgx-occlum/occlum_quote.dat");
    expect(judge("sgx", occlum, new Uint8Array(0), "2024-06-01").code).toBe("DebugEnabled");
  });

  // Goal: minimums one above what was seen are refused.
  test("downgrade", () => {
    const result = run("tdx-v5-90c06f/");
    const { tcb, cpu } = result.claims!;
    const minimum = (number: number) => new Map([["tcbEvaluationDataNumber", number]]);
    expect(decide(result, { minimums: minimum(18) })).toBeUndefined();
    expect(decide(result, { minimums: minimum(19) })).toBe("CollateralTooOld");
    for (const [name, value] of Object.entries(tcb!.components)) {
      const components = { ...tcb!.components, [name]: value + 1 };
      const minimumTcb = new Map([[cpu!, { components, hex: "" }]]);
      expect(decide(result, { minimumTcb }), name).toBe("TcbTooOld");
    }
    const week = 7 * 24 * 3600 * 1000;
    expect(decide(result, { collateralAgeMsMax: 2 * week })).toBeUndefined();
    expect(decide(result, { collateralAgeMsMax: week })).toBe("CollateralTooOld");
    const rtmr = (value: string) => ({ facts: new Map([["rtmr0", new Set([value])]]) });
    expect(decide(result, rtmr(String(result.claims!.details["rtmr0"])))).toBeUndefined();
    expect(decide(result, rtmr("00"))).toBe("ConfigurationRefused");
  });

  // Goal: collateral of another machine or another kind does not count.
  test("crossed collateral", () => {
    const [sgx, tdx] = [readVector("sgx-phala/sgx_quote"), readVector("tdx-phala/tdx_quote")];
    const ofTdx = readVector("tdx-phala/tdx_quote_collateral.json");
    const ofSgx = readVector("sgx-phala/sgx_quote_collateral.json");
    expect(judge("sgx", sgx, ofTdx, "2025-06-25").ok).toBe(false);
    expect(judge("tdx", tdx, ofSgx, "2025-06-25").ok).toBe(false);
    expect(judge("tdx", sgx, ofSgx, "2025-06-25").code).toBe("EvidenceMalformed");
    const other = readVector("tdx-v5-90c06f/collateral.json");
    expect(judge("tdx", tdx, other, "2026-03-25").code).toBe("TcbInfoInvalid");
  });
});

describe.skipIf(!hasVectors)("verdicts of other verifiers", () => {
  // Goal: they agree with ours, except where Intel's rule about TDX components says otherwise.
  test.each([
    ["sgx-00a067-debug", "refused"],
    ["tdx-v4-00806f05", "OutOfDate"],
    ["tdx-v4-50806f-debug", "refused"],
    ["tdx-v4-50806f-outofdate", "refused"],
    ["tdx-v5-90c06f", "UpToDate"],
    ["tdx-v5-90c06f-b", "refused"],
    // The first two TDX components are the module's own: others compare them and find no level.
    ["tdx-v4-00806f05-az", "refused", "OutOfDate"],
  ])("%s", (folder, theirs, ours = theirs) => {
    const recorded = JSON.parse(readVectorText(`${folder}/expected.json`)) as Bundle;
    const [, status = "refused"] = /^OK (\w+)/.exec(recorded["oracle_js_0_3_9"]!) ?? [];
    expect(status).toBe(theirs);
    const result = run(`${folder}/`, {}, recorded["verifyAt"]!);
    expect(result.ok ? result.claims?.tcbStatus : "refused").toBe(ours);
  });
});

describe.skipIf(!hasVectors)("tampered collateral", () => {
  const quote = () => readVector("tdx-v5-90c06f/quote.bin");
  const good = () => JSON.parse(readVectorText("tdx-v5-90c06f/collateral.json")) as Bundle;
  const ask = (change: (bundle: Bundle) => Bundle, at = "2026-03-25") =>
    judge("tdx", quote(), utf8ToBytes(JSON.stringify(change(good()))), at).code;
  const flipHex = (text: string, at: number) =>
    text.slice(0, at) + (Number.parseInt(text[at]!, 16) ^ 1).toString(16) + text.slice(at + 1);
  const other = () => JSON.parse(readVectorText("tdx-phala/tdx_quote_collateral.json")) as Bundle;

  // Goal: every part, changed, emptied, missing or exchanged, is refused with a code of its own.
  test("each part", () => {
    expect(ask((bundle) => bundle)).toBeUndefined();
    const parts = [
      ["tcb_info", "TcbInfoInvalid"],
      ["qe_identity", "QeIdentityInvalid"],
      ["root_ca_crl", "RootCrlInvalid"],
      ["pck_crl", "PckCrlInvalid"],
      ["tcb_info_signature", "TcbInfoInvalid"],
      ["qe_identity_signature", "QeIdentityInvalid"],
      ["tcb_info_issuer_chain", "CollateralIssuerInvalid"],
      ["qe_identity_issuer_chain", "CollateralIssuerInvalid"],
    ] as const;
    for (const [name, code] of parts) {
      const text = good()[name]!;
      expect(
        ask(({ [name]: _, ...rest }) => rest),
        `${name} missing`,
      ).toBe("CollateralMissing");
      expect(
        ask((bundle) => ({ ...bundle, [name]: "" })),
        `${name} empty`,
      ).toBeDefined();
      const isHex = /^[0-9a-f]+$/.test(text);
      const places = isHex ? [text.length - 1, text.length >> 1, 60] : [text.length >> 1];
      for (const at of places) {
        const changed = isHex ? flipHex(text, at) : `${text.slice(0, at)}7${text.slice(at + 1)}`;
        const found = ask((bundle) => ({ ...bundle, [name]: changed }));
        expect(found, `${name} at ${at}`).toBe(code);
      }
    }
    const pck = ask((bundle) => ({ ...bundle, pck_crl: bundle["root_ca_crl"]! }));
    expect(pck).toBe("PckCrlInvalid");
    const root = ask((bundle) => ({ ...bundle, root_ca_crl: bundle["pck_crl"]! }));
    expect(root).toBe("RootCrlInvalid");
    const swapped = ask((bundle) => ({ ...bundle, qe_identity: bundle["tcb_info"]! }));
    expect(swapped).toBe("QeIdentityInvalid");
    const signer = ask((bundle) => ({
      ...bundle,
      tcb_info_issuer_chain: bundle["pck_crl_issuer_chain"]!,
    }));
    expect(signer).toBe("CollateralIssuerInvalid");
  });

  // Goal: genuine parts of another time are too old or too new.
  test("times", () => {
    const mixed = (names: readonly string[]) =>
      ask((bundle) => {
        const old = Object.fromEntries(names.map((name) => [name, other()[name]!]));
        return { ...bundle, ...old };
      });
    const identity = ["qe_identity", "qe_identity_signature", "qe_identity_issuer_chain"];
    expect(mixed(identity)).toBe("QeIdentityExpired");
    const oldRoot = Buffer.from(readVector("tdx-google/rootcrl.der")).toString("hex");
    expect(ask((bundle) => ({ ...bundle, root_ca_crl: oldRoot }))).toBe("RootCrlExpired");
    expect(mixed(["pck_crl"])).toBe("PckCrlExpired");
    const info = ["tcb_info", "tcb_info_signature", "tcb_info_issuer_chain"];
    expect(mixed(info)).toBe("TcbInfoExpired");
    expect(ask((bundle) => bundle, "2026-05-25")).toBe("TcbInfoExpired");
    expect(ask((bundle) => bundle, "2026-03-10")).toBe("TcbInfoExpired");
  });

  // Goal: a list of a stranger, and every changed byte of the real one, is refused.
  test("revocation lists", () => {
    const stranger = issue({ subject: "CN=Intel SGX Root CA", isAuthority: true });
    const crl = Buffer.from(issueCrl(stranger, [])).toString("hex");
    expect(ask((bundle) => ({ ...bundle, root_ca_crl: crl }))).toBe("RootCrlInvalid");
    const real = Uint8Array.from(Buffer.from(good()["root_ca_crl"]!, "hex"));
    for (let at = 0; at < real.length; at += 3) {
      const changed = Buffer.from(flip(real, at, 1 << (at % 8))).toString("hex");
      expect(
        ask((bundle) => ({ ...bundle, root_ca_crl: changed })),
        String(at),
      ).toBeDefined();
    }
  });
});

describe.skipIf(!hasVectors)("tampered quotes", () => {
  // Goal: no single flipped bit passes: one bit of every byte, headers, padding and PEM included.
  test.each([cases[0], cases[2], cases[4]])(
    "%s %s",
    (platform, file, collateral, at) => {
      const quote = readVector(file);
      const bundle = readVector(collateral);
      expect(judge(platform, quote, bundle, at).ok).toBe(true);
      const accepted: number[] = [];
      for (let byte = 0; byte < quote.length; byte++) {
        const changed = flip(quote, byte, 1 << (byte % 8));
        if (judge(platform, changed, bundle, at).ok) accepted.push(byte);
      }
      expect(accepted).toEqual([]);
    },
    60_000,
  );

  // Goal: an unknown version, type or vendor is not guessed at.
  test("headers", () => {
    const quote = readVector("tdx-phala/tdx_quote");
    const change = (at: number, value: number) => {
      const copy = Uint8Array.from(quote);
      copy[at] = value;
      return () => bytesToDcapQuote(copy);
    };
    for (const [at, value] of [
      [0, 6],
      [0, 3],
      [2, 3],
      [4, 0],
      [12, 0],
    ] as const) {
      expect(change(at, value)).toThrow(expect.objectContaining({ code: "EvidenceMalformed" }));
    }
  });
});
