/** The ledger and the exchanges that a live CCF service wrote; they lie beside the project. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bytesToLatin1 } from "@coco/base";
import {
  auditLedger,
  type Changes,
  createMerkleTree,
  entryToLeaf,
  jsonCodec,
  type LedgerFile,
  type MapChanges,
  type TableChanges,
  type Transaction,
} from "@coco/store";
import { crypto, GovernanceHost } from "./host.testing.ts";
import { beginServiceOpening, markServiceOpen } from "./service-opening.ts";
import { governanceTables } from "./tables.ts";

const projectRoot = fileURLToPath(new URL("../../..", import.meta.url));
const vectors = process.env["COCO_VECTORS"] ?? join(projectRoot, "../shared/vectors");

export interface Exchange {
  readonly set: string;
  readonly note: string;
  readonly method: string;
  /** Without `/gov`. */
  readonly path: string;
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined when only its digest was recorded. */
  readonly text: string | undefined;
  /** Position in the ledger from the transaction id header. */
  readonly seqno: number | undefined;
}

function toExchange(line: string): Exchange | undefined {
  const { set, note, request, response } = JSON.parse(line);
  if (request === undefined || !request.path.startsWith("/gov/")) return undefined;
  const headers: Record<string, string> = {};
  const raw: readonly string[] = response.rawHeaders;
  for (let index = 0; index < raw.length; index += 2) headers[raw[index]!] = raw[index + 1]!;
  const txId = headers["x-ms-ccf-transaction-id"];
  delete headers["x-ms-ccf-transaction-id"];
  delete headers["content-length"];
  return {
    set,
    note,
    method: request.method,
    path: request.path.slice("/gov".length),
    body: new Uint8Array(Buffer.from(request.body_base64 ?? request.body ?? "", "base64")),
    contentType: request.headers["content-type"] ?? "",
    status: response.status,
    headers,
    text: response.body,
    seqno: txId === undefined ? undefined : Number(txId.split(".")[1]),
  };
}

/** The governance exchanges, in order; empty (said so) when they are absent. */
export function readGovernanceExchanges(): readonly Exchange[] {
  const path = join(vectors, "ccf-http", "exchanges.jsonl");
  if (!existsSync(path)) {
    console.warn(`SKIPPED: no recorded exchanges at ${path} (set COCO_VECTORS)`);
    return [];
  }
  const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
  return lines.map(toExchange).filter((exchange) => exchange !== undefined);
}

export interface RecordedTransaction {
  readonly seqno: number;
  /** Public tables. */
  readonly changes: Changes;
  readonly leaf: Uint8Array;
}

function toTableChanges(map: MapChanges, readVersion: number): TableChanges {
  return {
    name: map.name,
    readVersion,
    writes: new Map(map.writes.map(([key, value]) => [bytesToLatin1(key), bytesToLatin1(value)])),
    removes: new Set(map.removes.map(bytesToLatin1)),
  };
}

function readFiles(directory: string): LedgerFile[] {
  return readdirSync(directory).map((name) => {
    const bytes = new Uint8Array(readFileSync(join(directory, name)));
    return {
      name,
      sizeBytes: bytes.length,
      read: (offset, lengthBytes) => bytes.slice(offset, offset + lengthBytes),
    };
  });
}

export function hasLedger(name: string): boolean {
  const isThere = existsSync(join(vectors, "ccf-ledgers", name, "ledger"));
  if (!isThere) console.warn(`SKIPPED: no ledger ${name} in ${vectors} (set COCO_VECTORS)`);
  return isThere;
}

export function readLedgerTransactions(name: string): readonly RecordedTransaction[] {
  const transactions: RecordedTransaction[] = [];
  auditLedger(readFiles(join(vectors, "ccf-ledgers", name, "ledger")), {
    crypto,
    onTransaction: ({ entry, writeSet }) => {
      const { seqno } = entry.txId;
      const changes = writeSet.maps.map((map) => toTableChanges(map, seqno - 1));
      transactions.push({ seqno, changes, leaf: entryToLeaf(crypto, entry) });
    },
  });
  return transactions;
}

/** A host whose store is that of the recorded service at any of its positions. */
export class RecordedHost extends GovernanceHost {
  readonly #transactions: readonly RecordedTransaction[];
  readonly #tree = createMerkleTree();
  readonly #constitution: string | undefined;

  /** @param constitution stands in for the one of the ledger */
  constructor(transactions: readonly RecordedTransaction[], constitution?: string) {
    super();
    this.#transactions = transactions;
    this.#constitution = constitution;
    for (const { leaf } of transactions) this.#tree.append(leaf);
  }

  override rootAt(seqno: number): Uint8Array {
    return this.#tree.root(seqno + 1);
  }

  protected override openService(
    transaction: Transaction,
    previous: string | undefined,
    next: string,
  ): void {
    const transition = beginServiceOpening(transaction, previous, next);
    if (transition === "open") markServiceOpen(transaction);
  }

  /** Goes forward to the state right after transaction `seqno`. */
  advanceTo(seqno: number): void {
    for (let next = this.store.seqno + 1; next <= seqno; next++) {
      const transaction = this.#transactions[next - 1];
      if (transaction === undefined) throw new Error(`there is no transaction ${next}`);
      this.store.apply(transaction.changes.map((changes) => this.#replaceConstitution(changes)));
    }
  }

  #replaceConstitution(changes: TableChanges): TableChanges {
    const { name } = governanceTables.constitution;
    if (this.#constitution === undefined || changes.name !== name) return changes;
    const value = jsonCodec<string>().encode(this.#constitution);
    return { ...changes, writes: new Map([["\0".repeat(8), value]]) };
  }

  changesOf(seqno: number): Changes {
    return this.#transactions[seqno - 1]?.changes ?? [];
  }
}
