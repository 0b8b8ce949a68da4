/** Ledgers that real services wrote, for tests; they lie beside the project, not in it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LedgerFile } from "./chunk-reader.ts";

const projectRoot = fileURLToPath(new URL("../../..", import.meta.url));
const vectors = process.env["COCO_VECTORS"] ?? join(projectRoot, "../shared/vectors");
const ledgers = join(vectors, "ccf-ledgers");

/** What is known of each ledger from its own service's tools. */
export interface RealLedger {
  readonly name: string;
  readonly transactions: number;
  readonly signatures: number;
  readonly coseSignatures: number;
  readonly threshold: number;
  /** Transactions that record commit evidence. */
  readonly commitEvidence: number;
  readonly rootStart: string;
  readonly rootEnd: string;
}

function known(
  name: string,
  counts: readonly [number, number, number, number],
  threshold: number,
  root: readonly [string, string],
): RealLedger {
  const [transactions, signatures, coseSignatures, commitEvidence] = counts;
  const [rootStart, rootEnd] = root;
  const numbers = { transactions, signatures, coseSignatures, commitEvidence, threshold };
  return { name, ...numbers, rootStart, rootEnd };
}

const realLedgers: readonly RealLedger[] = [
  known("acme_containing_service", [22, 8, 8, 22], 3, ["0f99a9c8", "d7d9"]),
  known("cose_flipflop_service", [46, 23, 5, 46], 1, ["ed9a30db", "a343"]),
  known("expired_service", [74, 26, 18, 74], 3, ["75063b27", "b15f7d"]),
  known("sgx_service", [153, 54, 0, 116], 3, ["98fa398f", "78c6"]),
  known("live_service", [66, 8, 8, 66], 1, ["240d392f4760962bf71bd903beeacf2b", "547"]),
  // Further ledgers of the same kind, when a person has put them there.
  known("double_sealed_service", [509, 156, 156, 509], 1, ["7ae536ee", "60a8"]),
  known("eol_service", [500, 85, 0, 465], 3, ["e671d57c", "998a"]),
];

/** The known ledgers that are there; says so when there are none. */
export function presentLedgers(): readonly RealLedger[] {
  const present = realLedgers.filter(({ name }) => existsSync(join(ledgers, name)));
  if (present.length === 0) console.warn(`SKIPPED: no ledgers in ${ledgers} (set COCO_VECTORS)`);
  return present;
}

export function bytesToFile(name: string, bytes: Uint8Array): LedgerFile {
  return {
    name,
    sizeBytes: bytes.length,
    read: (offset, lengthBytes) => bytes.slice(offset, offset + lengthBytes),
  };
}

function readFile(path: string): Uint8Array {
  return new Uint8Array(readFileSync(path));
}

export function readLedger(name: string): LedgerFile[] {
  const directory = join(ledgers, name, "ledger");
  return readdirSync(directory).map((file) => bytesToFile(file, readFile(join(directory, file))));
}

export function readSnapshots(name: string): LedgerFile[] {
  const directory = join(ledgers, name, "snapshots");
  return readdirSync(directory)
    .filter((file) => file.startsWith("snapshot_"))
    .map((file) => bytesToFile(file, readFile(join(directory, file))));
}

/** A PEM file of the service, for example `service_cert.pem`. */
export function readPem(name: string, file: string): string {
  return readFileSync(join(ledgers, name, "common", file), "utf8");
}

/** Private encryption keys of the members, PEM. */
export function readMemberKeys(name: string): string[] {
  const directory = join(ledgers, name, "common");
  return readdirSync(directory)
    .filter((file) => file.endsWith("_enc_privk.pem"))
    .sort()
    .map((file) => readFileSync(join(directory, file), "utf8"));
}

/** The recorded HTTP exchanges of a live service, one JSON object a line; empty when absent. */
export function readExchanges(): string[] {
  const path = join(vectors, "ccf-http", "exchanges.jsonl");
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
}
