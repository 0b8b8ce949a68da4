import { bytesToBase64, bytesToHex, utf8ToBytes } from "@coco/base";
import { describe, expect, test } from "vitest";
import { flip } from "../test-pki.testing.ts";
import { crypto, hasVectors, readVectorText } from "../vectors.testing.ts";
import { verifyEvidence } from "../verification.ts";
import { bytesToBootLog, readBootSettings, replayBootLog } from "./boot-log.ts";
import {
  bootEvents,
  createQuote,
  createRsaKey,
  createVbsReport,
  encodeLog,
  goodSettings,
  identityKeyEvent,
  registersOf,
} from "./vbs-machine.testing.ts";
import { vbsVerifier } from "./vbs-verifier.ts";

const attestationKey = createRsaKey();
const identityKey = createRsaKey();
const otherKey = createRsaKey();
const trusted = utf8ToBytes(bytesToHex(crypto.sha256(attestationKey.spki)));

interface Parts {
  readonly settings?: Readonly<Record<number, number>>;
  readonly isSecureBoot?: boolean;
  readonly keyEvent?: Uint8Array;
  readonly report?: Uint8Array;
  readonly nonce?: Uint8Array;
  readonly selection?: readonly number[];
  readonly editLog?: (log: Uint8Array) => Uint8Array;
  readonly edit?: (bundle: Record<string, unknown>) => Record<string, unknown>;
}

function createBundle(parts: Parts = {}): Record<string, unknown> {
  const keyEvent = parts.keyEvent ?? identityKeyEvent(identityKey);
  const events = bootEvents(parts.settings ?? goodSettings, keyEvent, parts.isSecureBoot);
  const log = encodeLog(events);
  const bundle = {
    vbs_report: bytesToBase64(parts.report ?? createVbsReport(identityKey)),
    boot_log: bytesToBase64(parts.editLog?.(log) ?? log),
    tpm_quote: createQuote(attestationKey, registersOf(events), parts.nonce, parts.selection),
    ak_public: bytesToBase64(attestationKey.spki),
  };
  return parts.edit?.(bundle) ?? bundle;
}

function judge(bundle: Record<string, unknown>, keys: Uint8Array | undefined = trusted) {
  const quote = utf8ToBytes(JSON.stringify(bundle));
  const evidence = { format: "Microsoft_VBS", quote, endorsements: new Uint8Array(0) } as const;
  const collateral = new Map(keys.length === 0 ? [] : [["tpm_keys", keys]]);
  return verifyEvidence([vbsVerifier], { evidence, nowMs: 0, crypto, collateral });
}

const code = (parts: Parts) => judge(createBundle(parts)).code;

describe("VBS evidence of a made-up machine", () => {
  // Goal: the whole chain holds, and its claims stand in the common shape.
  test("accepted", () => {
    const result = judge(createBundle());
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.claims).toMatchObject({
      platform: "vsm",
      isDebug: false,
      measurement: "02".repeat(32),
      signer: "03".repeat(32),
      hostData: "01".repeat(32),
      details: { isvSvn: 10, secureKernelSvn: 11, platformSvn: 12, modules: "app.dll" },
    });
    expect(result.claims?.reportData).toEqual(new Uint8Array(64).fill(5));
  });

  // Goal: every setting that gives secrets away, changed or unmeasured, is refused.
  test("boot settings", () => {
    for (const [name, value] of Object.entries(goodSettings)) {
      const changed = { ...goodSettings, [name]: value === 0 ? 1 : 0 };
      expect(code({ settings: changed }), name).toBe("BootStateRefused");
      const { [Number(name)]: _, ...missing } = goodSettings;
      expect(code({ settings: missing }), name).toBe("BootStateRefused");
    }
    expect(code({ settings: { ...goodSettings, 327693: 1 } })).toBe("BootStateRefused");
    expect(code({ settings: { ...goodSettings, 327713: 1 } })).toBe("BootStateRefused");
    expect(code({ isSecureBoot: false })).toBe("BootStateRefused");
  });

  // Goal: the report counts only with the identity key that this boot measured.
  test("identity key", () => {
    expect(code({ keyEvent: identityKeyEvent(otherKey) })).toBe("ReportKeyMismatch");
    // The key for decryption must not verify reports.
    expect(code({ keyEvent: identityKeyEvent(identityKey, 0x50020) })).toBe("ReportKeyMismatch");
    expect(code({ report: createVbsReport(otherKey) })).toBe("ReportKeyMismatch");
    expect(code({ report: createVbsReport(identityKey, 1) })).toBe("DebugEnabled");
    expect(code({ report: createVbsReport(identityKey, 2) })).toBe("DebugEnabled");
    expect(code({ report: createVbsReport(identityKey, 8) })).toBe("EvidenceMalformed");
  });

  // Goal: the log must lead to the quoted registers, and its data to its digests.
  test("boot log", () => {
    const bundle = createBundle();
    const other = createBundle({ settings: { ...goodSettings, 327683: 1 } });
    expect(judge({ ...bundle, boot_log: other["boot_log"] }).code).toBe("BootLogInvalid");
    // Data changed with the old digest: the replay is right, the event is not what was measured.
    const edited = code({ editLog: (log) => flip(log, log.length - 10) });
    expect(edited).toBe("BootLogInvalid");
    expect(code({ selection: [7, 11] })).toBe("BootLogInvalid");
    expect(code({ editLog: (log) => log.subarray(0, 200) })).toBeDefined();
  });

  // Goal: key, signature and challenge of the TPM.
  test("quote", () => {
    expect(judge(createBundle(), new Uint8Array(0)).code).toBe("EndorsementsInvalid");
    expect(code({ nonce: new Uint8Array(0) })).toBe("NonceMissing");
    const withoutKey = judge(createBundle({ edit: ({ ak_public: _, ...rest }) => rest }));
    expect(withoutKey.code).toBe("EndorsementsMissing");
    const bundle = createBundle();
    const ak = { ...bundle, ak_public: bytesToBase64(otherKey.spki) };
    expect(judge(ak).code).toBe("EndorsementsInvalid");
  });

  // Goal: no changed byte of report or log passes.
  test("tampering", () => {
    const bundle = createBundle();
    for (const name of ["vbs_report", "boot_log"]) {
      const bytes = Uint8Array.from(Buffer.from(bundle[name] as string, "base64"));
      for (let at = name === "boot_log" ? 69 : 0; at < bytes.length; at += 5) {
        const changed = bytesToBase64(flip(bytes, at, 1 << (at % 8)));
        expect(judge({ ...bundle, [name]: changed }).ok, `${name} ${at}`).toBe(false);
      }
    }
  });
});

describe.skipIf(!hasVectors)("the log of a real Windows machine", () => {
  const vector = () => JSON.parse(readVectorText("tpm-windows-gcp/windows_gcp_shielded_vm.json"));

  // Goal: it is read; it says that VSM was off, and has no identity key.
  test("read", () => {
    const events = bytesToBootLog(Uint8Array.from(Buffer.from(vector().Log.Raw, "base64")));
    expect(events.length).toBeGreaterThan(20);
    expect(replayBootLog(crypto, events)).toBeUndefined();
    const { values } = readBootSettings(events, undefined);
    expect(values.has(0x50023)).toBe(false);
    const launchTypes = values.get(0x50012) ?? [];
    expect(launchTypes.every((value) => value.every((byte) => byte === 0))).toBe(true);
  });

  // Goal: as VBS evidence it is refused.
  test("refused", () => {
    const { Log } = vector();
    const result = judge({ ...createBundle(), boot_log: Log.Raw });
    expect(result.code).toBe("BootLogInvalid");
    expect(result.checks).toContainEqual(
      expect.objectContaining({ name: "vsmLaunchType", ok: false }),
    );
  });
});
