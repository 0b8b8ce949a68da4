/** An SGX platform with a root of its own: it writes quotes and collateral as Intel's do. */
import {
  concatBytes,
  derInteger,
  derObjectIdentifier,
  derOctetString,
  derSequence,
  derToPem,
  utf8ToBytes,
} from "@coco/base";
import { generateSigningKey } from "@coco/base/node";
import { issue, issueCrl, type Party } from "../test-pki.testing.ts";
import { crypto } from "../vectors.testing.ts";

const arc = "1.2.840.113741.1.13.1";
const curve = "secp256r1";

export interface PlatformOptions {
  readonly revokedPck?: boolean;
  readonly revokedSigner?: boolean;
  readonly revokedAuthority?: boolean;
  readonly signerName?: string;
  readonly pckCrlIssuer?: "root";
  /** Applied to the JSON before it is signed. */
  readonly editTcbInfo?: (info: Record<string, unknown>) => void;
  readonly editIdentity?: (identity: Record<string, unknown>) => void;
  readonly editReport?: (report: Uint8Array) => void;
  readonly editQeReport?: (report: Uint8Array) => void;
}

const pair = (name: string, value: Uint8Array) => derSequence(derObjectIdentifier(name), value);

function pckExtension(): Uint8Array {
  const components = Array.from({ length: 16 }, (_, index) =>
    pair(`${arc}.2.${index + 1}`, derInteger(5)),
  );
  const tcb = derSequence(...components, pair(`${arc}.2.17`, derInteger(9)));
  return derSequence(
    pair(`${arc}.1`, derOctetString(new Uint8Array(16).fill(1))),
    pair(`${arc}.2`, tcb),
    pair(`${arc}.3`, derOctetString(new Uint8Array(2))),
    pair(`${arc}.4`, derOctetString(new Uint8Array(6).fill(0xab))),
  );
}

const period = { issueDate: "2025-01-01T00:00:00Z", nextUpdate: "2027-01-01T00:00:00Z" };

function level(svn: number, status: string): object {
  const sgxtcbcomponents = Array.from({ length: 16 }, () => ({ svn }));
  return { tcb: { sgxtcbcomponents, pcesvn: 9 }, tcbStatus: status, advisoryIDs: [`A-${svn}`] };
}

function createReport(edit: ((report: Uint8Array) => void) | undefined): Uint8Array {
  const report = new Uint8Array(384);
  report[48] = 5;
  edit?.(report);
  return report;
}

function sgn(party: Party, text: string): string {
  return Buffer.from(party.key.sign(utf8ToBytes(text))).toString("hex");
}

export function createIntelPlatform(options: PlatformOptions = {}) {
  const root = issue({ subject: "CN=Intel SGX Root CA", isAuthority: true, curve });
  const name = "CN=Intel SGX PCK Platform CA";
  const authority = issue({ subject: name, issuer: root, isAuthority: true, curve, serial: 21 });
  const extensions = { [arc]: pckExtension() };
  const pck = issue({ subject: "CN=PCK", issuer: authority, curve, serial: 22, extensions });
  const subject = options.signerName ?? "CN=Intel SGX TCB Signing";
  const signer = issue({ subject, issuer: root, curve, serial: 23 });
  const tcbInfo = {
    id: "SGX",
    version: 3,
    ...period,
    fmspc: "ABABABABABAB",
    pceId: "0000",
    tcbEvaluationDataNumber: 18,
    tcbLevels: [level(6, "UpToDate"), level(5, "SWHardeningNeeded"), level(4, "OutOfDate")],
  };
  const identity = {
    id: "QE",
    version: 2,
    ...period,
    tcbEvaluationDataNumber: 17,
    miscselect: "00000000",
    miscselectMask: "FFFFFFFF",
    attributes: "05000000000000000000000000000000",
    attributesMask: "FFFFFFFFFFFFFFFF0000000000000000",
    mrsigner: "00".repeat(32),
    isvprodid: 1,
    tcbLevels: [{ tcb: { isvsvn: 8 }, tcbStatus: "UpToDate" }],
  };
  options.editTcbInfo?.(tcbInfo);
  options.editIdentity?.(identity);
  const [infoText, identityText] = [JSON.stringify(tcbInfo), JSON.stringify(identity)];
  const chain = derToPem(signer.der) + derToPem(root.der);
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  const revoked = [
    ...(options.revokedAuthority === true ? [21] : []),
    ...(options.revokedSigner === true ? [23] : []),
  ];
  const crlIssuer = options.pckCrlIssuer === "root" ? root : authority;
  const collateral = {
    tcb_info: infoText,
    tcb_info_signature: sgn(signer, infoText),
    tcb_info_issuer_chain: chain,
    qe_identity: identityText,
    qe_identity_signature: sgn(signer, identityText),
    qe_identity_issuer_chain: chain,
    root_ca_crl: hex(issueCrl(root, revoked)),
    pck_crl: hex(issueCrl(crlIssuer, options.revokedPck === true ? [22] : [])),
  };
  const quote = createQuote([pck, authority, root], options);
  return { root, quote, collateral: utf8ToBytes(JSON.stringify(collateral)) };
}

function createQuote(chain: readonly Party[], options: PlatformOptions): Uint8Array {
  const attestation = generateSigningKey(curve);
  // The last 64 bytes of the key's encoding are the point.
  const point = attestation.publicKey.subarray(attestation.publicKey.length - 64);
  const authData = new Uint8Array(32).fill(3);
  const qeReport = createReport((report) => {
    report[256] = 1;
    report[258] = 8;
    report.set(crypto.sha256(concatBytes(point, authData)), 320);
    options.editQeReport?.(report);
  });
  const header = new Uint8Array(48);
  header.set([3, 0, 2]);
  header.set(Buffer.from("939a7233f79c4ca9940a0db3957f0607", "hex"), 12);
  const signed = concatBytes(header, createReport(options.editReport));
  const pem = utf8ToBytes(chain.map(({ der }) => derToPem(der)).join(""));
  const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
  const authority = concatBytes(
    attestation.sign(signed),
    point,
    qeReport,
    chain[0]!.key.sign(qeReport),
    Uint8Array.of(32, 0),
    authData,
    Uint8Array.of(5, 0),
    u32(pem.length),
    pem,
  );
  return concatBytes(signed, u32(authority.length), authority);
}
