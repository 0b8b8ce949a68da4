import { bytesToHex, concatBytes, derInteger } from "@coco/base";
import { describe, expect, test } from "vitest";
import { assess } from "../appraisal.ts";
import type { Evidence } from "../evidence.ts";
import { baselineRules } from "../platform-rules.ts";
import { derText, flip, issue, issueCrl, join, type Party } from "../test-pki.testing.ts";
import { crypto, hasVectors, readVector, readVectorText } from "../vectors.testing.ts";
import { type VerificationInput, verifyEvidence } from "../verification.ts";
import { snpVerifier } from "./snp-verifier.ts";

const now = Date.parse("2026-11-20T12:00:00Z");

function judge(
  quote: Uint8Array,
  endorsements: Uint8Array,
  more: Partial<VerificationInput> = {},
  parts: Partial<Evidence> = {},
) {
  const evidence: Evidence = { format: "AMD_SEV_SNP_v1", quote, endorsements, ...parts };
  return verifyEvidence([snpVerifier], { evidence, nowMs: now, crypto, ...more });
}

function failures(result: ReturnType<typeof judge>): string[] {
  return result.checks.filter(({ ok }) => !ok).map(({ name }) => name);
}

const policyText = () =>
  Uint8Array.from(Buffer.from(readVectorText("aci-milan/uvm_security_policy.base64"), "base64"));

describe.skipIf(!hasVectors)("real SNP evidence", () => {
  // Goal: the two reports of container instances give the manifest's claims.
  test.each([
    ["snp-milan", "Milan", "db18000000000004", "0x25", "00a00f11"],
    ["snp-genoa", "Genoa", "541700000000000a", "0x27", "00a10f11"],
  ])("%s", (folder, product, tcb, platformInfo, cpu) => {
    const names = ["vcek.pem", "ask.pem", "ark.pem"];
    const chain = concatBytes(...names.map((name) => readVector(`${folder}/${name}`)));
    const result = judge(readVector(`${folder}/report.bin`), chain);
    expect(failures(result)).toEqual([]);
    expect(result.ok).toBe(true);
    expect(result.claims).toMatchObject({
      product,
      cpu,
      isDebug: false,
      isHardware: true,
      measurement:
        "5feee30d6d7e1a29f403d70a4198237ddfb13051a2d6976439487c609388ed7f" +
        "98189887920ab2fa0096903a0c23fca1",
      hostData: "4f4448c67f3c8dfc8de8a5e37125d807dadcc41f06cf23f615dbd52eec777d10",
      tcb: { hex: tcb },
      details: { guestSvn: 2, policy: "0x3001f", platformInfo, reportVersion: 3 },
    });
    expect(result.claims?.reportData).toEqual(new Uint8Array(64));
    // Without the intermediate certificates: they never change, so they are built in.
    expect(judge(readVector(`${folder}/report.bin`), readVector(`${folder}/vcek.pem`)).ok).toBe(
      true,
    );
  });

  // Goal: version 5, and model 0xa0 is Genoa.
  test("snp-genoa-v5", () => {
    const report = readVector("snp-genoa-v5/live-report-v5-genoa.bin");
    const result = judge(report, readVector("snp-genoa-v5/live-vcek-genoa.der"));
    expect(failures(result)).toEqual([]);
    expect(result.claims).toMatchObject({
      product: "Genoa",
      tcb: { hex: "1b1b00000000000a" },
      details: { policy: "0x30000", reportVersion: 5 },
    });
    expect(Buffer.from(result.claims!.reportData).toString()).toContain("hello-attestation");
  });

  // Goal: debug is refused, and only debug is wrong with that vector.
  test("snp-milan-gcp", () => {
    const [report, vcek] = [readVector("snp-milan-gcp/attestation.bin"), "snp-milan-gcp/vcek.der"];
    const result = judge(report, readVector(vcek));
    expect(result.code).toBe("DebugEnabled");
    expect(failures(result)).toEqual(["debug"]);
    expect(judge(report, readVector(vcek), { isDebugAllowed: true }).ok).toBe(true);
  });

  // Goal: the genuine certificate passes, forged ones do not.
  test("snp-milan-neg", () => {
    const report = readVector("snp-milan-neg/test-report.bin");
    expect(failures(judge(report, readVector("snp-milan-neg/test-vcek.der")))).toEqual([]);
    for (const name of ["test-vcek-invalid-legacy.der", "test-vcek-invalid-new.der"]) {
      const forged = judge(report, readVector(`snp-milan-neg/${name}`));
      expect(forged.code).toBe("EndorsementsInvalid");
    }
    const other = judge(report, readVector("snp-milan/vcek.pem"));
    expect(failures(other)).toEqual(["signature", "chip id", "endorsed tcb"]);
    expect(other.code).toBe("EvidenceSignatureInvalid");
    expect(judge(report, new Uint8Array(0)).code).toBe("EndorsementsMissing");
  });

  // Goal: a VLEK verifies while it is valid; rules allow it only by name.
  test("snp-milan-vlek", () => {
    const report = readVector("snp-milan-vlek/test-vlek-report.bin");
    const vlek = readVector("snp-milan-vlek/test-vlek.der");
    const at = (time: string) => judge(report, vlek, { nowMs: Date.parse(time) });
    const result = at("2025-06-01");
    expect(failures(result)).toEqual([]);
    expect(result.claims?.details).toMatchObject({ signingKey: "vlek", vmpl: 1 });
    expect(result.claims?.hardwareId).toBeUndefined();
    expect(at("2025-12-11").code).toBe("EndorsementsExpired");
    expect(at("2024-12-10").code).toBe("EndorsementsExpired");
    const claims = result.claims!;
    expect(assess(claims, baselineRules, now).code).toBe("SigningKeyNotAllowed");
    expect(assess(claims, { snp: { signingKeys: new Set(["vlek"]) } }, now).ok).toBe(true);
  });

  // Goal: utility VM, policy text and claimed TCB count; those of another machine are refused.
  test("aci-milan", () => {
    const report = readVector("aci-milan/snp_report.bin");
    const host = readVector("aci-milan/uvm_host_amd_certificate.json");
    const uvmEndorsements = readVector("aci-milan/body.uvm_reference_info.bin");
    const collateral = new Map([["security_policy", policyText()]]);
    const result = judge(
      report,
      host,
      { collateral },
      { uvmEndorsements, endorsedTcb: "7308000000000003" },
    );
    expect(failures(result)).toEqual([]);
    const { uvmEndorsement: uvm } = result.claims!;
    expect(uvm).toMatchObject({ feed: "ContainerPlat-AMD-UVM", svn: 22 });
    const policyDigest = "cadd74f71ebb8fbf9782baab649612520f3c416bc5ce9ac768808ddc8d9b031c";
    expect(result.claims?.hostData).toBe(policyDigest);
    const ask = (svn: number) =>
      assess(result.claims!, { snp: { uvmEndorsements: [{ ...uvm!, svn }] } }, now).code;
    expect(ask(22)).toBeUndefined();
    expect(ask(104)).toBe("UvmEndorsementNotTrusted");
    const otherPolicy = new Map([["security_policy", flip(policyText(), 5)]]);
    expect(judge(report, host, { collateral: otherPolicy }).code).toBe("SecurityPolicyMismatch");
    expect(judge(report, host, {}, { endorsedTcb: "7308000000000004" }).code).toBe(
      "EndorsedTcbMismatch",
    );
    const encoded = readVectorText("aci-security-context/reference-info-base64");
    const other = Uint8Array.from(Buffer.from(encoded, "base64"));
    expect(judge(report, host, {}, { uvmEndorsements: other }).code).toBe("UvmMeasurementMismatch");
    expect(judge(report, readVector("aci-milan/uvm_host_amd_certificate.pem")).ok).toBe(true);
  });

  // Goal: certificates count only within their time.
  test("validity", () => {
    const [report, vcek] = [readVector("snp-milan/report.bin"), readVector("snp-milan/vcek.pem")];
    for (const time of ["2020-01-01", "2040-01-01"]) {
      expect(judge(report, vcek, { nowMs: Date.parse(time) }).code).toBe("EndorsementsExpired");
    }
  });

  // Goal: a minimum above the reported version is refused, whichever component is raised.
  test("downgrade", () => {
    const result = judge(readVector("snp-milan/report.bin"), readVector("snp-milan/vcek.pem"));
    const { tcb, cpu, hardwareId } = result.claims!;
    const ask = (components: Readonly<Record<string, number>>) => {
      const minimumTcb = new Map([[cpu!, { components, hex: "" }]]);
      return assess(result.claims!, { snp: { minimumTcb } }, now).code;
    };
    expect(ask(tcb!.components)).toBeUndefined();
    for (const [name, value] of Object.entries(tcb!.components)) {
      expect(ask({ ...tcb!.components, [name]: value + 1 }), name).toBe("TcbTooOld");
    }
    const rules = (more: object) => assess(result.claims!, { snp: more }, now).code;
    expect(rules({ deniedProducts: new Set(["Milan"]) })).toBe("ProductDenied");
    expect(rules({ hardwareIds: new Set([hardwareId!]) })).toBeUndefined();
    expect(rules({ deniedHardwareIds: new Set([hardwareId!]) })).toBe("HardwareNotAllowed");
    expect(rules({ requiredPlatformInfo: new Set(["alias_check_complete"]) })).toBeUndefined();
    expect(rules({ deniedPlatformInfo: new Set(["smt"]) })).toBe("ConfigurationRefused");
    expect(rules({ minimums: new Map([["reportVersion", 4]]) })).toBe("EvidenceVersionTooOld");
  });

  // Goal: no single flipped bit of a report passes: one bit of every byte.
  test.each([
    ["snp-milan/report.bin", "snp-milan/vcek.pem"],
    ["snp-genoa-v5/live-report-v5-genoa.bin", "snp-genoa-v5/live-vcek-genoa.der"],
  ])("bit flips of %s", (name, vcek) => {
    const report = readVector(name);
    const endorsements = readVector(vcek);
    const accepted: number[] = [];
    for (let at = 0; at < report.length; at++) {
      if (judge(flip(report, at, 1 << (at % 8)), endorsements).ok) accepted.push(at);
    }
    expect(accepted).toEqual([]);
    expect(judge(report.subarray(1), endorsements).code).toBe("EvidenceMalformed");
    expect(judge(concatBytes(report, new Uint8Array(1)), endorsements).code).toBe(
      "EvidenceMalformed",
    );
  });

  // Goal: a changed byte of the machine's certificate never passes.
  test("bit flips of a certificate", () => {
    const report = readVector("snp-genoa-v5/live-report-v5-genoa.bin");
    const vcek = readVector("snp-genoa-v5/live-vcek-genoa.der");
    for (let at = 0; at < vcek.length; at += 5) {
      expect(judge(report, flip(vcek, at, 1 << (at % 8))).ok, String(at)).toBe(false);
    }
  });
});

const arc = "1.3.6.1.4.1.3704.1";
const versions = { "3.1": 4, "3.2": 0, "3.3": 24, "3.8": 219 };

const turinVersions = { "3.1": 4, "3.2": 0, "3.3": 24, "3.8": 219, "3.9": 2 };

/** A machine with a key hierarchy of its own. */
function createMachine(product: "Milan" | "Turin" = "Milan") {
  const isTurin = product === "Turin";
  const root = issue({ subject: `CN=ARK-${product}`, isAuthority: true });
  const name = `CN=SEV-${product}`;
  const middle = issue({ subject: name, issuer: root, isAuthority: true, serial: 2 });
  const sizeBytes = isTurin ? 8 : 64;
  const chipId = Uint8Array.from({ length: sizeBytes }, (_, index) => index + 1);
  const spls = Object.entries(isTurin ? turinVersions : versions).map(([part, value]) => [
    `${arc}.${part}`,
    derInteger(value),
  ]);
  const extensions = {
    [`${arc}.2`]: derText(isTurin ? product : `${product}-B0`),
    ...Object.fromEntries(spls),
    [`${arc}.4`]: chipId,
  };
  const leaf = issue({ subject: "CN=SEV-VCEK", issuer: middle, serial: 3, extensions });
  return { root, middle, leaf, chain: join(leaf, middle, root), chipId };
}

/** Writes a report that the machine signs. */
function createReport(
  machine: { readonly leaf: Party; readonly chipId: Uint8Array },
  edit: (view: DataView) => void,
) {
  const bytes = new Uint8Array(1184);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 3, true);
  view.setUint32(8, 0x3001f, true);
  view.setUint32(0x34, 1, true);
  bytes.set([4, 0, 0, 0, 0, 0, 24, 219], 0x180);
  bytes.set([0x19, 1, 1], 0x188);
  bytes.set(machine.chipId, 0x1a0);
  edit(view);
  const signature = machine.leaf.key.sign(bytes.subarray(0, 0x2a0));
  bytes.set(signature.slice(0, 48).reverse(), 0x2a0);
  bytes.set(signature.slice(48).reverse(), 0x2a0 + 72);
  return bytes;
}

describe("SNP evidence of a machine with its own root", () => {
  const machine = createMachine();
  const trustAnchors = [machine.root.der];
  const ask = (edit: (view: DataView) => void) =>
    judge(createReport(machine, edit), machine.chain, { trustAnchors }).code;

  // Goal: settings that no policy can allow are refused, each with its own code.
  test("fixed rules", () => {
    expect(ask(() => {})).toBeUndefined();
    expect(ask((view) => view.setUint32(0x30, 4, true))).toBe("ConfigurationRefused");
    expect(ask((view) => view.setUint32(0x48, 2, true))).toBe("ConfigurationRefused");
    expect(ask((view) => view.setUint32(8, 0x7001f, true))).toBe("ConfigurationRefused");
    expect(ask((view) => view.setUint32(8, 0xb001f, true))).toBe("DebugEnabled");
    expect(ask((view) => view.setUint32(8, 0x1001f, true))).toBe("EvidenceMalformed");
    expect(ask((view) => view.setUint32(0x34, 2, true))).toBe("EvidenceMalformed");
    expect(ask((view) => view.setUint32(0x48, 7 << 2, true))).toBe("EvidenceMalformed");
    expect(ask((view) => view.setUint32(0x48, 1 << 2, true))).toBe("HardwareMismatch");
    expect(ask((view) => view.setUint8(0x1a0, 9))).toBe("HardwareMismatch");
    expect(ask((view) => view.setUint8(0x189, 0x11))).toBe("HardwareMismatch");
    expect(ask((view) => view.setUint8(0x187, 200))).toBe("EndorsedTcbMismatch");
    expect(ask((view) => view.setUint8(0x183, 1))).toBe("EndorsedTcbMismatch");
    for (const at of [0x4c, 0x18b, 0x1eb, 0x1f8, 0x29f]) {
      expect(
        ask((view) => view.setUint8(at, 1)),
        String(at),
      ).toBe("EvidenceMalformed");
    }
    for (const version of [0, 1, 6]) {
      expect(ask((view) => view.setUint32(0, version, true))).toBe("EvidenceMalformed");
    }
    // A bit that has no name yet is shown, not refused.
    const report = createReport(machine, (view) => view.setUint32(0x40, 0x65, true));
    const result = judge(report, machine.chain, { trustAnchors });
    expect(result.ok).toBe(true);
    expect(result.claims?.details["platformNames"]).toContain("unknown_6");
  });

  // Goal: the pinned roots are not replaced by what the evidence brings.
  test("a root of nobody", () => {
    const report = createReport(machine, () => {});
    expect(judge(report, machine.chain).code).toBe("EndorsementsInvalid");
    const others = createMachine();
    expect(judge(report, others.chain, { trustAnchors }).code).toBe("EndorsementsInvalid");
  });

  // Goal: Turin has other TCB bytes, short chip identities and reports of version 5.
  test("Turin", () => {
    const turin = createMachine("Turin");
    const anchors = { trustAnchors: [turin.root.der] };
    const write = (edit: (view: DataView) => void = () => {}) =>
      createReport(turin, (view) => {
        view.setUint32(0, 5, true);
        new Uint8Array(view.buffer).set([2, 4, 0, 24, 0, 0, 0, 219], 0x180);
        new Uint8Array(view.buffer).set([0x1a, 2, 1], 0x188);
        view.setUint32(0x1f8, 7, true);
        edit(view);
      });
    const result = judge(write(), turin.chain, anchors);
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.claims).toMatchObject({
      product: "Turin",
      cpu: "00b00f21",
      hardwareId: "0102030405060708",
      tcb: { components: { fmc: 2, boot_loader: 4, tee: 0, snp: 24, microcode: 219 } },
    });
    const fmc = judge(
      write((view) => view.setUint8(0x180, 3)),
      turin.chain,
      anchors,
    );
    expect(fmc.code).toBe("EndorsedTcbMismatch");
    const chip = judge(
      write((view) => view.setUint8(0x1a7, 9)),
      turin.chain,
      anchors,
    );
    expect(chip.code).toBe("HardwareMismatch");
    const milan = judge(write(), machine.chain, { trustAnchors });
    expect(milan.code).toBe("EvidenceSignatureInvalid");
  });

  // Goal: the table in which Linux hands certificates to a guest is read.
  test("certificate table", () => {
    const { leaf, middle, root } = machine;
    const kinds = [
      "63da758de6644564adc5f4b93be8accd",
      "4ab7b379bbac4fe4a02f05aef327c782",
      "c0b406a4a803495297433fb6014cd0ae",
    ];
    const head = new Uint8Array(24 * 4);
    const view = new DataView(head.buffer);
    let offset = head.length;
    for (const [index, { der }] of [leaf, middle, root].entries()) {
      head.set(Buffer.from(kinds[index]!, "hex"), 24 * index);
      view.setUint32(24 * index + 16, offset, true);
      view.setUint32(24 * index + 20, der.length, true);
      offset += der.length;
    }
    const report = createReport(machine, () => {});
    const table = concatBytes(head, machine.chain, new Uint8Array(100));
    expect(judge(report, table, { trustAnchors }).ok).toBe(true);
    expect(judge(report, flip(table, 3), { trustAnchors }).code).toBe("EndorsementsInvalid");
    expect(judge(report, flip(table, 18, 0x80), { trustAnchors }).code).toBe("EndorsementsInvalid");
  });

  // Goal: revocation lists count: signer, time, and either certificate on them.
  test("revocation", () => {
    const report = createReport(machine, () => {});
    const withCrl = (crl: Uint8Array) =>
      judge(report, machine.chain, { trustAnchors, collateral: new Map([["amd_crl", crl]]) }).code;
    const { root, middle } = machine;
    expect(withCrl(issueCrl(root, [99]))).toBeUndefined();
    expect(withCrl(issueCrl(root, []))).toBeUndefined();
    expect(withCrl(issueCrl(root, [2]))).toBe("EndorsementsRevoked");
    expect(withCrl(issueCrl(root, [3]))).toBe("EndorsementsRevoked");
    expect(withCrl(issueCrl(middle, []))).toBe("RootCrlInvalid");
    expect(withCrl(issueCrl(createMachine().root, []))).toBe("RootCrlInvalid");
    expect(withCrl(issueCrl(root, [], "2024-01-01", "2025-01-01"))).toBe("RootCrlExpired");
    expect(withCrl(new Uint8Array(0))).toBe("RootCrlInvalid");
    const crl = issueCrl(root, [99]);
    for (let at = 0; at < crl.length; at++) {
      expect(withCrl(flip(crl, at)), bytesToHex(crl.subarray(at, at + 4))).toBeDefined();
    }
  });
});
