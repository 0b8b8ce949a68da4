/**
 * Finds evidence in files: raw, hex, base64 or JSON, with whatever belongs to it beside it. Only
 * the form is recognised here; nothing is trusted.
 */
import {
  base64ToBytes,
  bytesToBase64,
  bytesToHex,
  bytesToLatin1,
  bytesToUtf8,
  equalBytes,
  hexToBytes,
  isCocoError,
  type ParsedCertificate,
  utf8ToBytes,
} from "@coco/base";
import { tokenToFormat } from "./azure/maa-token.ts";
import { teeErrors } from "./errors.ts";
import {
  type Evidence,
  type EvidenceFormat,
  evidenceFormats,
  quoteInfoToEvidence,
  type TeePlatform,
} from "./evidence.ts";
import { EvidenceReader, readU32 } from "./evidence-reader.ts";
import { bytesToDcapQuote, looksLikeQuote } from "./intel/dcap-quote.ts";
import { certificateToPckFacts } from "./intel/dcap-signature.ts";
import { certificateToSnpKeyFacts } from "./snp/snp-endorsements.ts";
import { bytesToSnpReport, snpReportSizeBytes } from "./snp/snp-report.ts";
import { bytesToCertificates } from "./x509/certificate-path.ts";
import { derToRevocationList } from "./x509/revocation-list.ts";

export interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface FoundEvidence {
  /** Of the file. */
  readonly name: string;
  readonly evidence: Evidence;
  /** For VerificationInput. */
  readonly collateral: ReadonlyMap<string, Uint8Array>;
  /** What each file was taken for. */
  readonly files: readonly { readonly name: string; readonly taken: string }[];
}

/** One recognised part. */
type Piece =
  | { readonly kind: "evidence"; readonly evidence: Evidence }
  | { readonly kind: "hcl report"; readonly bytes: Uint8Array }
  | { readonly kind: "tpm quote"; readonly bytes: Uint8Array }
  | { readonly kind: "uvm endorsement"; readonly bytes: Uint8Array }
  | { readonly kind: "certificates"; readonly certificates: readonly ParsedCertificate[] }
  | { readonly kind: "collateral"; readonly parts: ReadonlyMap<string, Uint8Array> };

type Fields = Readonly<Record<string, unknown>>;

const noBytes: Uint8Array = new Uint8Array(0);
const depthMax = 3;

function evidencePiece(
  format: EvidenceFormat,
  quote: Uint8Array,
  endorsements: Uint8Array = noBytes,
): Piece {
  return { kind: "evidence", evidence: { format, quote, endorsements } };
}

function collateralPiece(name: string, bytes: Uint8Array): Piece {
  return { kind: "collateral", parts: new Map([[name, bytes]]) };
}

function ignoreErrors<Result>(step: () => Result): Result | undefined {
  try {
    return step();
  } catch (cause) {
    if (isCocoError(cause) || cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

/** Cuts what a provider appended behind the declared end of a quote. */
function trimQuote(quote: Uint8Array): Uint8Array {
  if (quote.length < 436 || quote[0] !== 3) return quote;
  return quote.subarray(0, 436 + readU32(quote, 432));
}

function text(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === "string" ? value : undefined;
}

/** The JSON of go-attestation: key, quote and measured-boot log of a Windows machine. */
function bootJsonToPieces(fields: Fields): Piece[] {
  const { AK, Quote, Log } = fields as Readonly<Record<string, Fields | undefined>>;
  const pcrs = Array.from({ length: 24 }, () => "");
  for (const item of Array.isArray(Log?.["PCRs"]) ? (Log["PCRs"] as readonly Fields[]) : []) {
    const index = Number(item["Index"]);
    if (index >= 0 && index < 24) pcrs[index] = text(item, "Digest") ?? "";
  }
  const bundle = {
    boot_log: Log?.["Raw"],
    ak_public: AK?.["Public"],
    tpm_quote: { message: Quote?.["Quote"], signature: Quote?.["Signature"], pcrs },
  };
  return [evidencePiece("Microsoft_VBS", utf8ToBytes(JSON.stringify(bundle)))];
}

/** The JSON of other tools: attestation-rs, Open Enclave, ravl, Azure samples, CCF. */
function foreignJsonToPieces(fields: Fields): Piece[] {
  const inner = (fields["evidence"] ?? fields) as Fields;
  const report = text(inner, "attestation_report");
  if (report !== undefined) {
    const chain = (inner["cert_chain"] ?? {}) as Fields;
    const vcek = text(chain, "vcek");
    const endorsements = vcek === undefined ? noBytes : base64ToBytes(vcek);
    return [evidencePiece("AMD_SEV_SNP_v1", base64ToBytes(report), endorsements)];
  }
  const quoteHex = text(fields, "QuoteHex");
  if (quoteHex !== undefined) return binaryToPieces(hexToBytes(quoteHex));
  const source = text(fields, "source");
  const evidence = text(fields, "evidence");
  if (source !== undefined && evidence !== undefined) {
    const endorsements = base64ToBytes(text(fields, "endorsements") ?? "");
    const bytes = base64ToBytes(evidence);
    if (source === "sevsnp") return [evidencePiece("AMD_SEV_SNP_v1", bytes, endorsements)];
    return [evidencePiece("Intel_SGX_DCAP", trimQuote(bytes))];
  }
  const raw = text(fields, "raw") ?? text(fields, "quote");
  const format = text(fields, "format");
  if (raw === undefined || format === undefined) return [];
  return [{ kind: "evidence", evidence: quoteInfoToEvidence({ ...fields, quote: raw }) }];
}

const collateralNames = [
  "tcb_info",
  "tcb_info_signature",
  "tcb_info_issuer_chain",
  "qe_identity",
  "qe_identity_signature",
  "qe_identity_issuer_chain",
  "root_ca_crl",
  "pck_crl",
];

function jsonToPieces(bytes: Uint8Array): Piece[] {
  const value: unknown = JSON.parse(bytesToUtf8(bytes));
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  const fields = value as Fields;
  const inner = (fields["evidence"] ?? fields) as Fields;
  if (typeof inner === "object" && "hcl_report" in inner) {
    const isTdx = "td_quote" in inner;
    return [evidencePiece(isTdx ? "Azure_TDX_vTPM" : "Azure_SNP_vTPM", bytes)];
  }
  if ("vbs_report" in fields || "boot_log" in fields) {
    return [evidencePiece("Microsoft_VBS", bytes)];
  }
  if ("tcb_info" in fields || "qe_identity" in fields || "pck_crl" in fields) {
    const parts = collateralNames.flatMap((name) => {
      const part = text(fields, name);
      return part === undefined ? [] : [[name, utf8ToBytes(part)] as const];
    });
    return [{ kind: "collateral", parts: new Map(parts) }];
  }
  if ("tcbInfo" in fields) return [collateralPiece("tcb_info", bytes)];
  if ("enclaveIdentity" in fields) return [collateralPiece("qe_identity", bytes)];
  if (Array.isArray(fields["keys"])) return [collateralPiece("jwks", bytes)];
  if ("vcekCert" in fields) {
    const pem = `${text(fields, "vcekCert")}\n${text(fields, "certificateChain") ?? ""}`;
    return [{ kind: "certificates", certificates: bytesToCertificates(utf8ToBytes(pem)) }];
  }
  if ("measurement" in fields && "report_data" in fields) {
    return [evidencePiece("Insecure_Virtual", bytes)];
  }
  return "Log" in fields && "Quote" in fields
    ? bootJsonToPieces(fields)
    : foreignJsonToPieces(fields);
}

/** The binary form in which Rust tools of Azure store a quote of the TPM. */
function bincodeToTpmQuote(bytes: Uint8Array): Fields | undefined {
  if (bytes.length < 16 + 256 || readU32(bytes, 0) !== 256 || readU32(bytes, 4) !== 0) {
    return undefined;
  }
  return ignoreErrors(() => {
    const reader = new EvidenceReader(bytes, "TPM quote file");
    const signature = reader.take(Number(reader.u64()));
    const message = reader.take(Number(reader.u64()));
    const pcrs = Array.from({ length: Math.min(24, Number(reader.u64())) }, () =>
      bytesToHex(reader.take(32)),
    );
    return { signature: bytesToHex(signature), message: bytesToHex(message), pcrs };
  });
}

function derToPieces(bytes: Uint8Array): Piece[] {
  const certificates = ignoreErrors(() => bytesToCertificates(bytes));
  if (certificates !== undefined) return [{ kind: "certificates", certificates }];
  const revocations = ignoreErrors(() => derToRevocationList(bytes));
  if (revocations === undefined) return [];
  const { issuer } = revocations;
  const name = /ARK-|SEV-/.test(issuer)
    ? "amd_crl"
    : /Root CA/.test(issuer)
      ? "root_ca_crl"
      : "pck_crl";
  return [collateralPiece(name, bytes)];
}

function binaryToPieces(bytes: Uint8Array): Piece[] {
  const quote = looksLikeQuote(bytes);
  if (quote !== undefined) {
    return [evidencePiece(quote === "sgx" ? "Intel_SGX_DCAP" : "Intel_TDX_DCAP", bytes)];
  }
  if (bytes.length === snpReportSizeBytes && bytes[0]! < 16 && bytes[1] === 0) {
    return [evidencePiece("AMD_SEV_SNP_v1", bytes)];
  }
  if (bytesToLatin1(bytes.subarray(0, 4)) === "HCLA") return [{ kind: "hcl report", bytes }];
  if (bytes[0] === 0xd2 && bytes[1] === 0x84) return [{ kind: "uvm endorsement", bytes }];
  if (bytes[0] === 0x30) return derToPieces(bytes);
  const tpm = bincodeToTpmQuote(bytes);
  return tpm === undefined ? [] : [{ kind: "tpm quote", bytes: utf8ToBytes(JSON.stringify(tpm)) }];
}

/** PEM: certificates of a machine, or of a signer of collateral. */
function pemToPieces(bytes: Uint8Array): Piece[] {
  const certificates = bytesToCertificates(bytes);
  const [leaf] = certificates;
  if (!/CN=Intel SGX TCB Signing/.test(leaf?.subject ?? "")) {
    return [{ kind: "certificates", certificates }];
  }
  const parts = new Map([
    ["tcb_info_issuer_chain", bytes],
    ["qe_identity_issuer_chain", bytes],
  ]);
  return [{ kind: "collateral", parts }];
}

/** What a file holds, after taking off text encodings. */
function bytesToPieces(bytes: Uint8Array, depth = 0): Piece[] {
  if (bytes.length === 0 || depth > depthMax) return [];
  const head = bytesToLatin1(bytes.subarray(0, 64)).trimStart();
  if (head.startsWith("{")) return jsonToPieces(bytes);
  if (head.startsWith("-----BEGIN CERTIFICATE")) return pemToPieces(bytes);
  if (/^package [a-z]/.test(head)) return [collateralPiece("security_policy", bytes)];
  if (head.startsWith("eyJ")) {
    const format = tokenToFormat(bytes);
    if (format !== undefined) return [evidencePiece(format, bytes)];
  }
  const binary = binaryToPieces(bytes);
  if (binary.length > 0) return binary;
  const plain = bytesToLatin1(bytes).trim().replace(/^0x/, "");
  if (plain.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(plain))
    return bytesToPieces(hexToBytes(plain), depth + 1);
  const joined = plain.replace(/\s+/g, "");
  const decoded = ignoreErrors(() => base64ToBytes(joined));
  return decoded === undefined ? [] : bytesToPieces(decoded, depth + 1);
}

interface Sorted {
  readonly evidence: { readonly name: string; readonly piece: Evidence }[];
  readonly hclReports: Uint8Array[];
  readonly tpmQuotes: Uint8Array[];
  readonly uvmEndorsements: Uint8Array[];
  readonly chains: (readonly ParsedCertificate[])[];
  readonly collateral: Map<string, Uint8Array>;
  readonly files: { readonly name: string; readonly taken: string }[];
}

function sortPiece(sorted: Sorted, name: string, piece: Piece): string {
  if (piece.kind === "evidence") {
    sorted.evidence.push({ name, piece: piece.evidence });
    return piece.evidence.format;
  }
  if (piece.kind === "certificates") sorted.chains.push(piece.certificates);
  else if (piece.kind === "hcl report") sorted.hclReports.push(piece.bytes);
  else if (piece.kind === "tpm quote") sorted.tpmQuotes.push(piece.bytes);
  else if (piece.kind === "collateral") {
    for (const [part, bytes] of piece.parts) sorted.collateral.set(part, bytes);
    return [...piece.parts.keys()].join(" ");
  } else sorted.uvmEndorsements.push(piece.bytes);
  return piece.kind;
}

/** Collateral whose name fits the evidence best comes last, so that it is the one that counts. */
function orderCollateral(files: readonly NamedFile[], evidenceName: string): NamedFile[] {
  const base = evidenceName.replace(/\.[a-z0-9]+$/i, "");
  const rank = ({ name }: NamedFile) => (name.startsWith(base) ? 1000 - name.length : -name.length);
  return [...files].sort((left, right) => rank(left) - rank(right));
}

/** The chain whose first certificate is of the chip in the report; else the first that has one. */
function chooseChain(chains: Sorted["chains"], report: Uint8Array): readonly ParsedCertificate[] {
  const parsed = ignoreErrors(() => bytesToSnpReport(report));
  const isOfChip = ([leaf]: readonly ParsedCertificate[]) => {
    const chipId = leaf && ignoreErrors(() => certificateToSnpKeyFacts(leaf).chipId);
    if (parsed === undefined || chipId === undefined) return false;
    return equalBytes(parsed.chipId.subarray(0, chipId.length), chipId);
  };
  const isMachine = ([leaf]: readonly ParsedCertificate[]) => leaf?.isAuthority === false;
  const found = chains.find(isOfChip) ?? chains.find(isMachine);
  if (found === undefined) return [];
  const authorities = chains.filter((chain) => chain !== found && !isMachine(chain));
  return [...found, ...authorities.flat()].slice(0, 8);
}

function toDer(certificates: readonly ParsedCertificate[]): Uint8Array {
  const all = certificates.flatMap(({ der }) => [...der]);
  return Uint8Array.from(all);
}

/** Puts HCL report, quote of the TPM and hardware evidence of one Azure VM together. */
function assembleAzure(sorted: Sorted): Evidence | undefined {
  const [hclReport] = sorted.hclReports;
  const [tpmQuote] = sorted.tpmQuotes;
  if (hclReport === undefined || tpmQuote === undefined) return undefined;
  const isTdx = hclReport.length > 0x4cc && readU32(hclReport, 0x4c8) === 4;
  const tdQuote = sorted.evidence.find(({ piece }) => piece.format === "Intel_TDX_DCAP");
  const bundle = {
    hcl_report: bytesToBase64(hclReport),
    tpm_quote: JSON.parse(bytesToUtf8(tpmQuote)) as unknown,
    ...(isTdx && tdQuote !== undefined ? { td_quote: bytesToBase64(tdQuote.piece.quote) } : {}),
  };
  const format = isTdx ? "Azure_TDX_vTPM" : "Azure_SNP_vTPM";
  return { format, quote: utf8ToBytes(JSON.stringify(bundle)), endorsements: noBytes };
}

/** The same quote in two files counts once: where it comes with endorsements, or first. */
function isRepeated({ evidence }: Sorted, index: number): boolean {
  const own = evidence[index]!.piece;
  return evidence.some(({ piece }, at) => {
    if (at === index || !equalBytes(piece.quote, own.quote)) return false;
    const gain = piece.endorsements.length - own.endorsements.length;
    return gain > 0 || (gain === 0 && at < index);
  });
}

/** Every piece of evidence, each with the name of its file. */
function listEvidence(
  sorted: Sorted,
  platform: TeePlatform | undefined,
): { readonly name: string; readonly piece: Evidence }[] {
  const assembled = assembleAzure(sorted);
  const isPart = ({ format }: Evidence) =>
    assembled?.format === "Azure_TDX_vTPM" && format === "Intel_TDX_DCAP";
  const pieces = sorted.evidence.filter(
    ({ piece }, index) => !isRepeated(sorted, index) && !isPart(piece),
  );
  if (assembled !== undefined) pieces.unshift({ name: "HCL report", piece: assembled });
  const fitting = pieces.filter(
    ({ piece }) => platform === undefined || evidenceFormats[piece.format] === platform,
  );
  if (fitting.length > 0) return fitting;
  throw teeErrors.create("EvidenceFormatUnsupported", "no file holds evidence that is known");
}

/** Adds what the evidence does not bring itself. */
function completeEvidence(evidence: Evidence, sorted: Sorted): Evidence {
  const { format, quote, endorsements, uvmEndorsements } = evidence;
  const isReport = format === "AMD_SEV_SNP_v1";
  const isAssembled = format === "Azure_SNP_vTPM" && !bytesToLatin1(quote).includes('"vcek"');
  if (!isReport && !isAssembled) return evidence;
  const area = sorted.hclReports[0]?.subarray(32, 32 + snpReportSizeBytes) ?? noBytes;
  const report = isReport ? quote : area;
  const needsChain = endorsements.length === 0 && sorted.chains.length > 0;
  const uvm = uvmEndorsements ?? sorted.uvmEndorsements[0];
  return {
    ...evidence,
    ...(needsChain ? { endorsements: toDer(chooseChain(sorted.chains, report)) } : {}),
    ...(isReport && uvm !== undefined ? { uvmEndorsements: uvm } : {}),
  };
}

/** TCB info is for one family of processors: what is for another one does not count. */
function isForOtherFamily(piece: Piece, evidence: Evidence | undefined): boolean {
  if (piece.kind !== "collateral" || evidence === undefined) return false;
  const info = piece.parts.get("tcb_info");
  const family = info && /"fmspc":"([0-9a-fA-F]{12})"/.exec(bytesToLatin1(info))?.[1];
  const quote = ignoreErrors(() => bytesToDcapQuote(evidence.quote));
  const own = quote && ignoreErrors(() => certificateToPckFacts(quote.certificates[0]!).fmspc);
  return own !== undefined && family !== undefined && family.toLowerCase() !== bytesToHex(own);
}

/** Anchors are trusted because the verifier gave them, never because evidence brings them. */
function isAnchor(piece: Piece): boolean {
  return piece.kind === "collateral" && piece.parts.has("jwks");
}

function sortFiles(
  files: readonly NamedFile[],
  collateral: readonly NamedFile[],
  subject?: { readonly name: string; readonly piece: Evidence },
): Sorted {
  const sorted: Sorted = {
    evidence: [],
    hclReports: [],
    tpmQuotes: [],
    uvmEndorsements: [],
    chains: [],
    collateral: new Map(),
    files: [],
  };
  const base = subject?.name ?? "";
  const main = new Set(files);
  // What the verifier gives comes last: it counts more than what lies beside the evidence.
  for (const file of [...orderCollateral(files, base), ...orderCollateral(collateral, base)]) {
    const pieces = ignoreErrors(() => bytesToPieces(file.bytes)) ?? [];
    // Evidence beside the collateral is another machine's.
    const used = pieces.filter(
      (piece) =>
        (main.has(file) ? !isAnchor(piece) : piece.kind !== "evidence") &&
        !isForOtherFamily(piece, subject?.piece),
    );
    const taken = used.map((piece) => sortPiece(sorted, file.name, piece));
    const given = main.has(file) ? [] : used;
    const roots = given.flatMap((piece) =>
      piece.kind === "certificates" ? piece.certificates.filter((root) => root.isAuthority) : [],
    );
    if (roots.length > 0) sorted.collateral.set("tpm_roots", toDer(roots));
    sorted.files.push({ name: file.name, taken: taken.join(" ") || "ignored" });
  }
  return sorted;
}

/**
 * Finds every piece of evidence in `files`, and for each in `files` and `collateral` what helps to
 * verify it.
 * @param platform when given, only evidence of that platform is considered
 * @returns one or more
 * @throws {CocoError} EvidenceFormatUnsupported, EvidenceMalformed
 */
export function findEvidence(
  files: readonly NamedFile[],
  collateral: readonly NamedFile[] = [],
  platform?: TeePlatform,
): readonly FoundEvidence[] {
  const all = listEvidence(sortFiles(files, collateral), platform);
  return all.map((subject) => {
    const sorted = sortFiles(files, collateral, subject);
    const evidence = completeEvidence(subject.piece, sorted);
    return { name: subject.name, evidence, collateral: sorted.collateral, files: sorted.files };
  });
}
