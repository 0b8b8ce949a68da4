import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCocoError, utf8ToBytes } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import {
  ChunkReader,
  decodeLedgerEntry,
  decodeWriteSet,
  type LedgerSecrets,
  orderLedgerFiles,
  parseReceipt,
  recoverSecrets,
  SecretRecordCollector,
  verifyReceipt,
} from "@coco/store";
import { afterEach, describe, expect, it } from "vitest";
import { HistoricalCache } from "./historical-cache.ts";
import { createCommittedSource, Indexer } from "./indexing.ts";
import { LedgerEntries } from "./ledger-entries.ts";
import { SeqnosByKey } from "./seqnos-by-key.ts";

const vectors = process.env["COCO_VECTORS"] ?? "../shared/vectors";
const service = join(vectors, "ccf-ledgers/live_service");
const hasVectors = existsSync(service);
if (!hasVectors) console.warn(`SKIPPED: no ledger in ${service}: past transactions are not read`);
const crypto = createNodeCrypto();
const lastSeqno = 66;
const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

interface RealLedger {
  readonly secrets: LedgerSecrets;
  readonly entries: ReadonlyMap<number, Uint8Array>;
  /** Seqno of the last signature: everything up to it is committed. */
  readonly committedSeqno: number;
}

function readRealLedger(): RealLedger {
  const directory = join(service, "ledger");
  const files = readdirSync(directory).map((name) => {
    const bytes = readFileSync(join(directory, name));
    const read = (offset: number, size: number) => bytes.subarray(offset, offset + size);
    return { name, sizeBytes: bytes.length, read };
  });
  const records = new SecretRecordCollector();
  const entries = new Map<number, Uint8Array>();
  let committedSeqno = 0;
  for (const { file } of orderLedgerFiles(files).chunks) {
    for (const { seqno, bytes } of new ChunkReader(file).entries()) {
      const entry = decodeLedgerEntry(bytes);
      const writeSet = decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset);
      records.apply(writeSet, seqno);
      entries.set(seqno, bytes);
      if (writeSet.maps.some(({ name }) => name.endsWith("internal.signatures"))) {
        committedSeqno = seqno;
      }
    }
  }
  const keys = readdirSync(join(service, "common"))
    .filter((name) => name.endsWith("_enc_privk.pem"))
    .map((name) => readFileSync(join(service, "common", name), "utf8"));
  return { secrets: recoverSecrets(crypto, records, keys).secrets, entries, committedSeqno };
}

interface Setup {
  readonly directory?: string;
  readonly recent?: (seqno: number) => Uint8Array | undefined;
  readonly softLimitBytes?: number;
  readonly now?: { ms: number };
}

function createCache(ledger: RealLedger, setup: Setup = {}) {
  const waiting: (() => void)[] = [];
  const cache = new HistoricalCache({
    decoder: { crypto, secrets: () => ledger.secrets, consensus: { viewOf: () => 2 } },
    entries: new LedgerEntries({
      directories: [setup.directory ?? join(service, "ledger")],
      recent: setup.recent ?? (() => undefined),
    }),
    consensus: { lastCommitted: () => ({ view: 2, seqno: ledger.committedSeqno }) },
    nowMs: () => setup.now?.ms ?? 0,
    log: () => {},
    onFetched: () => {
      for (const wake of waiting.splice(0)) wake();
    },
    ...(setup.softLimitBytes !== undefined && { softLimitBytes: setup.softLimitBytes }),
  });
  /** Asks until there is an answer, as a client does that is told to come again. */
  const settle = async <Result>(ask: () => Result | undefined): Promise<Result> => {
    for (;;) {
      const result = ask();
      if (result !== undefined) return result;
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
  return { cache, settle };
}

function copyLedger(): string {
  const directory = mkdtempSync(join(tmpdir(), "coco-historical-"));
  directories.push(directory);
  cpSync(join(service, "ledger"), directory, { recursive: true });
  return directory;
}

async function codeOf(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
  } catch (error) {
    if (isCocoError(error)) return error.code;
    throw error;
  }
  return "none";
}

describe.runIf(hasVectors)("past transactions of a real ledger", () => {
  const ledger = hasVectors ? readRealLedger() : (undefined as never);

  // Goal: the receipts are byte for byte those that the recorded service gave.
  it.each([
    ["receipt of the private write", "2.17", 17],
    ["receipt of a signature transaction (no leaf_components)", "2.18", 18],
  ])("%s", async (note, _txId, seqno) => {
    const lines = readFileSync(join(vectors, "ccf-http/exchanges.jsonl"), "utf8").split("\n");
    const line = lines.find((text) => text.includes(`"note": ${JSON.stringify(note)}`))!;
    const recorded = (JSON.parse(line) as { response: { body: string } }).response.body;
    const { cache, settle } = createCache(ledger);
    const found = await settle(() => {
      const search = cache.find({ view: 2, seqno });
      return search.kind === "fetching" ? undefined : search;
    });
    expect(JSON.stringify(found.kind === "found" ? found.receipt : found)).toBe(recorded);
  });

  // Goal: every committed transaction has a receipt that verifies against the service.
  it("gives receipts that verify", async () => {
    const { cache, settle } = createCache(ledger);
    const states = await settle(() => cache.range(1, 1, ledger.committedSeqno, 60));
    expect(states).toHaveLength(ledger.committedSeqno);
    const serviceCertificate = readFileSync(join(service, "common/service_cert.pem"), "utf8");
    for (const state of states) {
      // The first transactions were signed before the node's certificate was endorsed.
      const receipt = parseReceipt(state.jsonReceipt);
      expect(() => verifyReceipt(crypto, receipt, { serviceCertificate })).not.toThrow();
    }
  });

  // Goal: an application sees exactly what the transaction wrote, decrypted, and nothing else.
  it("shows the tables of one transaction", async () => {
    const { cache, settle } = createCache(ledger);
    const state = await settle(() => cache.state({ view: 2, seqno: 17 }));
    const records = state.transaction.table("records");
    expect(records.size).toBe(1);
    const key = utf8ToBytes("42");
    expect(Buffer.from(records.get(key)!).toString()).toBe("Hello private world!");
    expect(state.transaction.table("public:ccf.gov.nodes.info").size).toBe(0);
    expect(() => records.set(key, key)).toThrow();
  });

  // Goal: entries that are not on disk yet come from memory, without waiting.
  it("answers at once from recent entries", () => {
    const recent = (seqno: number) => ledger.entries.get(seqno);
    const { cache } = createCache(ledger, { directory: "/nowhere", recent });
    expect(cache.state({ view: 2, seqno: 17 })?.txId).toEqual({ view: 2, seqno: 17 });
    expect(cache.range(3, 10, 30, 60)).toHaveLength(21);
  });

  // Goal: memory and files together make one range.
  it("joins memory and files", async () => {
    const recent = (seqno: number) => (seqno % 3 === 0 ? ledger.entries.get(seqno) : undefined);
    const { cache, settle } = createCache(ledger, { recent });
    const states = await settle(() => cache.range(1, 10, 40, 60));
    expect(states.map(({ txId }) => txId.seqno)).toEqual(
      Array.from({ length: 31 }, (_, index) => 10 + index),
    );
  });

  // Goal: what is not committed is never given out.
  it("waits for what is not committed", () => {
    const { cache } = createCache({ ...ledger, committedSeqno: 20 });
    expect(cache.range(1, 15, 21, 60)).toBeUndefined();
    expect(cache.stats.requestCount).toBe(0);
  });

  // Goal: requests expire, and memory stays under its limit.
  it("forgets what expired and what does not fit", async () => {
    const now = { ms: 0 };
    const { cache, settle } = createCache(ledger, { now, softLimitBytes: 60_000 });
    for (let seqno = 16; seqno < 60; seqno++) {
      await settle(() => cache.range(seqno, seqno, seqno, 10));
      expect(cache.stats.sizeBytes).toBeLessThanOrEqual(60_000);
    }
    expect(cache.stats.requestCount).toBeLessThan(44);
    now.ms = 10_001;
    cache.tick();
    expect(cache.stats).toEqual({ requestCount: 0, sizeBytes: 0 });
    const small = createCache(ledger, { softLimitBytes: 5_000 });
    expect(await codeOf(() => small.settle(() => small.cache.range(1, 1, 60, 10)))).toBe(
      "RangeTooLarge",
    );
  });

  // Goal: a missing file is named, and is found again when it is back.
  it("names a missing file", async () => {
    const directory = copyLedger();
    rmSync(join(directory, "ledger_1-15.committed"));
    const { cache, settle } = createCache(ledger, { directory });
    const ask = () => settle(() => cache.range(1, 5, 6, 60));
    await expect(ask()).rejects.toThrow(/the file before .*ledger_16 is missing/);
    expect(await codeOf(ask)).toBe("LedgerEntryMissing");
    cpSync(join(service, "ledger/ledger_1-15.committed"), join(directory, "ledger_1-15.committed"));
    expect(await ask()).toHaveLength(2);
  });

  // Goal: no changed byte of an entry gets through, wherever it is.
  it("refuses entries that were changed", () => {
    const original = ledger.entries.get(17)!;
    for (let at = 0; at < original.length; at++) {
      const changed = Uint8Array.from(original);
      changed[at]! ^= 0x20;
      const recent = (seqno: number) => (seqno === 17 ? changed : ledger.entries.get(seqno));
      const { cache } = createCache(ledger, { directory: "/nowhere", recent });
      const search = cache.find({ view: 2, seqno: 17 });
      // Flags are in the leaf, but not in what the encryption authenticates.
      expect(search.kind, `byte ${at}`).toBe("failed");
    }
  });

  // Goal: a range that is none is an error of its own.
  it.each([
    [0, 1],
    [2, 1],
    [1.5, 2],
    [1, 1e9],
  ])("refuses the range %d to %d", async (first, last) => {
    const { cache } = createCache(ledger);
    expect(await codeOf(async () => cache.range(1, first, last, 1))).toMatch(
      /BadRange|RangeTooLarge/,
    );
  });
});

describe.runIf(hasVectors)("indexes over a real ledger", () => {
  const ledger = hasVectors ? readRealLedger() : (undefined as never);
  const signatures = "public:ccf.internal.signatures";
  const key = new Uint8Array(8);

  /** Seqnos of the signatures, from the entries themselves. */
  function signatureSeqnos(): number[] {
    return [...ledger.entries]
      .filter(([seqno]) => seqno <= ledger.committedSeqno)
      .filter(([, bytes]) => {
        const entry = decodeLedgerEntry(bytes);
        const { maps } = decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset);
        return maps.some(({ name }) => name === signatures);
      })
      .map(([seqno]) => seqno);
  }

  async function index(options: { sizeBytesMax?: number; bucketSeqnos?: number }) {
    const { cache, settle } = createCache(ledger);
    const source = createCommittedSource(cache);
    const strategy = new SeqnosByKey({ name: "signatures", table: signatures, source, ...options });
    const indexer = new Indexer({ source, log: () => {}, turnCountMax: 7 });
    indexer.install(strategy);
    indexer.advance(ledger.committedSeqno);
    await settle(() => {
      for (;;) {
        const before = strategy.watermark;
        if (!indexer.tick()) return true;
        if (strategy.watermark === before) return undefined;
      }
    });
    return { indexer, strategy, settle };
  }

  // Goal: the shipped strategy finds every write of a key, and says how far it has come.
  it("finds the transactions that wrote a key", async () => {
    const { indexer, strategy } = await index({});
    expect(strategy.seqnos(key, 1, ledger.committedSeqno)).toEqual(signatureSeqnos());
    expect(strategy.seqnos(key, 17, 21)).toEqual([18, 21]);
    expect(strategy.seqnos(key, 1, ledger.committedSeqno, 2)).toHaveLength(2);
    expect(strategy.seqnos(key, 1, lastSeqno + 1)).toBeUndefined();
    expect(indexer.facts()).toEqual([
      { indexed_watermark: `2.${ledger.committedSeqno}`, name: "signatures" },
    ]);
  });

  // Goal: an application gets an index of its own tables by asking for it, and of no others.
  it("makes an index when it is asked for", async () => {
    const { cache } = createCache(ledger);
    const ask = () => cache.seqnosOf("records", utf8ToBytes("43"), 1, 40, 10);
    while (ask() === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(ask()).toEqual([22, 23]);
    expect(cache.indexes.facts()).toMatchObject([{ name: "seqnos_by_key records" }]);
    const code = await codeOf(async () => cache.seqnosOf("ccf.internal.x", key, 1, 2, 1));
    expect(code).toBe("IndexRefused");
  });

  // Goal: with memory for one bucket the answers are the same, and memory stays bounded.
  it("reads forgotten buckets again", async () => {
    const { strategy, settle } = await index({ sizeBytesMax: 300, bucketSeqnos: 10 });
    const found = await settle(() => strategy.seqnos(key, 1, ledger.committedSeqno));
    expect(found).toEqual(signatureSeqnos());
    expect(strategy.sizeBytes).toBeLessThanOrEqual(300);
  });
});

describe("Indexer", () => {
  const transaction = (seqno: number) => ({ txId: { view: 2, seqno }, changes: [] });

  // Goal: a strategy that throws is taken out and named; the others go on.
  it("survives a failing strategy", () => {
    const seen: number[] = [];
    const lines: string[] = [];
    const indexer = new Indexer({ source: () => undefined, log: (_, line) => lines.push(line) });
    indexer.install({
      name: "bad",
      handleCommitted: () => {
        throw new Error("broken");
      },
    });
    indexer.install({ name: "good", handleCommitted: ({ txId }) => seen.push(txId.seqno) });
    indexer.committed([transaction(1), transaction(2)]);
    indexer.committed([transaction(3)]);
    expect(seen).toEqual([1, 2, 3]);
    expect(lines).toHaveLength(1);
    expect(indexer.facts().map(({ name }) => name)).toEqual(["good"]);
  });

  // Goal: no transaction is fed twice or skipped, however live feeding and reading mix.
  it("joins what it missed with what is committed now", () => {
    const seen: number[] = [];
    const source = (first: number, last: number) =>
      Array.from({ length: last - first + 1 }, (_, index) => transaction(first + index));
    const indexer = new Indexer({ source, log: () => {}, turnCountMax: 4 });
    indexer.advance(9);
    indexer.install({ name: "all", handleCommitted: ({ txId }) => seen.push(txId.seqno) });
    indexer.committed([transaction(10), transaction(11)]);
    expect(seen).toEqual([]);
    while (indexer.tick());
    indexer.committed([transaction(12)]);
    expect(seen).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
  });
});
