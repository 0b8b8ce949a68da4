import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { isCocoError } from "@coco/base";
import { createNodeCrypto, generateSigningKey } from "@coco/base/node";
import {
  ChunkReader,
  createStore,
  decodeLedgerEntry,
  decodeSnapshotFile,
  decodeWriteSet,
  LedgerSecrets,
  orderLedgerFiles,
  recoverSecrets,
  SecretRecordCollector,
  type Store,
} from "@coco/store";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createServiceCertificate } from "./identities.ts";
import { replayLedger } from "./ledger-replay.ts";
import { TestNode } from "./node.testing.ts";
import { loadLatestSnapshot, loadSnapshot } from "./snapshot-loading.ts";

/** Threads that were started, so that a test can kill one. */
const threads = vi.hoisted((): { worker: Worker; name: string | undefined }[] => []);
vi.mock("node:worker_threads", async (importOriginal) => {
  const original = await importOriginal<typeof import("node:worker_threads")>();
  class KnownWorker extends original.Worker {
    constructor(...args: ConstructorParameters<typeof original.Worker>) {
      super(...args);
      threads.push({ worker: this, name: args[1]?.name });
    }
  }
  return { ...original, Worker: KnownWorker };
});

const crypto = createNodeCrypto();

const source = `
  export function put(request) {
    const { key, value } = request.body.json();
    ccf.kv["records"].set(ccf.strToBuf(key), ccf.strToBuf(value));
    ccf.kv["public:records"].set(ccf.strToBuf(key), ccf.strToBuf("public " + value));
    if (key.endsWith("7")) ccf.kv["records"].delete(ccf.strToBuf("key3"));
    return { body: true };
  }
  export function get(request) {
    const value = ccf.kv["records"].get(ccf.strToBuf(request.query.split("=")[1]));
    return value === undefined ? { statusCode: 404 } : { body: ccf.bufToStr(value) };
  }`;

const endpoint = (name: string, mode = "readwrite") => ({
  js_module: "app.js",
  js_function: name,
  mode,
  authn_policies: ["no_auth"],
  forwarding_required: "sometimes",
  interpreter_reuse: { key: "app" },
});
const app = {
  metadata: {
    endpoints: {
      "/put": { post: endpoint("put") },
      "/get": { get: endpoint("get", "readonly") },
    },
  },
  modules: [{ name: "app.js", module: source }],
};

const snapshotPattern = /^snapshot_\d+_\d+\.committed$/;

function committedSnapshots(node: TestNode): string[] {
  const seqno = (name: string) => Number(name.split("_")[1]);
  return readdirSync(node.snapshotDirectory)
    .filter((name) => snapshotPattern.test(name))
    .sort((left, right) => seqno(left) - seqno(right));
}

async function until(check: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const startMs = performance.now();
  const isDone = async () => check();
  while (!(await isDone().catch(() => false))) {
    if (performance.now() - startMs > timeoutMs) throw new Error("it took too long");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function put(node: TestNode, from: number, to: number): Promise<void> {
  for (let index = from; index < to; index += 10) {
    const writes = Array.from({ length: Math.min(10, to - index) }, (_, at) =>
      node.request("POST", "/app/put", {
        body: JSON.stringify({ key: `key${index + at}`, value: `value ${index + at}` }),
        headers: { "x-coco-wait": "committed" },
      }),
    );
    for (const { status } of await Promise.all(writes)) expect(status).toBe(200);
  }
}

/** The ledger secrets, by the members' shares. */
function recoverNodeSecrets(node: TestNode): LedgerSecrets {
  const records = new SecretRecordCollector();
  forEachEntry(node.ledgerDirectory, (bytes) => {
    const entry = decodeLedgerEntry(bytes);
    const writeSet = decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset);
    records.apply(writeSet, entry.txId.seqno);
  });
  const keys = node.members.map(({ encryption }) => encryption.privatePem);
  const { secrets } = recoverSecrets(crypto, records, keys);
  // The secret that the service began with encrypts its first transactions too.
  const first = secrets.all()[0]!;
  return new LedgerSecrets(crypto, [{ ...first, version: 0 }, ...secrets.all().slice(1)]);
}

function forEachEntry(directory: string, visit: (bytes: Uint8Array) => void): void {
  const files = readdirSync(directory).map((name) => {
    const bytes = new Uint8Array(readFileSync(join(directory, name)));
    const read = (offset: number, length: number) => bytes.slice(offset, offset + length);
    return { name, sizeBytes: bytes.length, read };
  });
  for (const { file } of orderLedgerFiles(files).chunks) {
    for (const { bytes } of new ChunkReader(file).entries()) visit(bytes);
  }
}

function listContents(store: Store) {
  return store.contents().tables.map(({ name, version, entries }) => ({
    name,
    version,
    rows: Array.from(entries, ([key, entry]) => [key, entry.value, entry.version]).sort(),
  }));
}

describe("snapshots of a running node", () => {
  const node = new TestNode({ snapshotTxCount: 40 });
  let serviceCertificate = "";
  beforeAll(async () => {
    await node.start();
    await node.open(app);
    serviceCertificate = node.node.serviceCertificatePem;
    let count = 0;
    await until(async () => {
      await put(node, count, count + 50);
      count += 50;
      return committedSnapshots(node).length >= 2;
    });
  });
  afterAll(() => node.stop());

  // Goal: snapshots come at the configured distance while writes go on, each ends a ledger file.
  test("are taken at signatures", async () => {
    const names = committedSnapshots(node);
    const chunks = readdirSync(node.ledgerDirectory);
    let last = 0;
    for (const name of names) {
      const [seqno, evidence] = name.match(/\d+/g)!.map(Number) as [number, number];
      expect(seqno - last).toBeGreaterThanOrEqual(40);
      expect(evidence).toBeGreaterThan(seqno);
      expect(chunks.some((chunk) => chunk.endsWith(`-${seqno}.committed`))).toBe(true);
      last = seqno;
    }
  });

  // Goal: a vote takes one out of turn.
  test("are taken by vote", async () => {
    const before = committedSnapshots(node).length;
    const { status } = await node.propose([{ name: "trigger_snapshot", args: null }]);
    expect(status).toBe(200);
    await until(() => committedSnapshots(node).length > before);
  });

  // Goal: an operator or a joining node gets the newest file, in ranges, byte for byte.
  test("are served", async () => {
    const name = committedSnapshots(node).at(-1)!;
    const redirect = await node.get("/node/snapshot");
    expect(redirect.status).toBe(308);
    expect(String(redirect.headers["location"])).toMatch(new RegExp(`/node/snapshot/${name}$`));
    const head = await node.request("HEAD", `/node/snapshot/${name}`);
    const file = readFileSync(join(node.snapshotDirectory, name));
    expect(Number(head.headers["content-length"])).toBe(file.length);
    const headers = { range: "bytes=8-44" };
    const part = await node.request("GET", `/node/snapshot/${name}`, { headers });
    expect(part.status).toBe(206);
    expect(part.headers["content-range"]).toBe(`bytes 8-44/${file.length}`);
    const since = await node.get("/node/snapshot?since=1000000");
    expect(since.status).toBe(404);
  });

  // Goal: snapshot plus the rest of the ledger is the same state, tree and views as the ledger.
  test("give what the replay of the ledger gives", () => {
    const secrets = recoverNodeSecrets(node);
    const names = committedSnapshots(node);
    const { publicKey } = crypto.parse(serviceCertificate);
    const common = {
      directories: [node.ledgerDirectory],
      crypto,
      secrets,
      servicePublicKey: publicKey,
      createSeqno: 1,
      committedSeqno: 0,
    };
    const whole = createStore();
    const replayed = replayLedger({ ...common, store: whole });
    for (const name of names) {
      const bytes = new Uint8Array(readFileSync(join(node.snapshotDirectory, name)));
      const start = loadSnapshot({ crypto, bytes, name, secrets, serviceCertificate });
      const store = createStore(start.contents);
      const result = replayLedger({ ...common, store, start });
      expect(result.lastTxId).toEqual(replayed.lastTxId);
      expect(result.history.views).toEqual(replayed.history.views);
      expect(result.tree.root()).toEqual(replayed.tree.root());
      expect(result.tree.serialise(result.tree.leafCount - 1)).toEqual(
        replayed.tree.serialise(replayed.tree.leafCount - 1),
      );
      expect(listContents(store)).toEqual(listContents(whole));
    }
  });

  // Goal: what the host changed, cut off, renamed or took from elsewhere is refused.
  test("are refused when anything about them is wrong", () => {
    const secrets = recoverNodeSecrets(node);
    const [older, name] = committedSnapshots(node).slice(-2) as [string, string];
    const bytes = new Uint8Array(readFileSync(join(node.snapshotDirectory, name)));
    const entrySize = decodeSnapshotFile(bytes).entry.bytes.length;
    const publicSize = decodeSnapshotFile(bytes).entry.publicDomain.length;
    const codeOf = (change: Partial<Parameters<typeof loadSnapshot>[0]>): string => {
      const usual = { crypto, bytes, name, secrets, serviceCertificate };
      try {
        loadSnapshot({ ...usual, ...change });
        return "accepted";
      } catch (error) {
        return isCocoError(error) ? error.code : String(error);
      }
    };
    expect(codeOf({})).toBe("accepted");
    const flipped = (index: number) => {
      const changed = new Uint8Array(bytes);
      changed[index]! ^= 1;
      return { bytes: changed };
    };
    const places = {
      version: 0,
      flags: 1,
      size: 3,
      tag: 10,
      "seqno in the IV": 24,
      "view in the IV": 32,
      "length of the public part": 37,
      type: 44,
      seqno: 45,
      leaf: 70,
      "public rows": 44 + (publicSize >> 1),
      "private rows": 44 + publicSize + 20,
      "last private byte": entrySize - 1,
      receipt: entrySize + 40,
      "end of the receipt": bytes.length - 2,
    };
    for (const [place, index] of Object.entries(places)) {
      expect(codeOf(flipped(index)), place).toMatch(
        /^(BadSnapshot|ReceiptNotVerified|BadReceipt|BadCertificate)$/,
      );
    }
    for (const size of [0, 7, 44, publicSize, entrySize - 1, entrySize, entrySize + 9]) {
      expect(codeOf({ bytes: bytes.slice(0, size) }), `cut to ${size}`).toBe("BadSnapshot");
    }
    const olderBytes = new Uint8Array(readFileSync(join(node.snapshotDirectory, older)));
    const olderEntry = decodeSnapshotFile(olderBytes).entry.bytes.length;
    const mixed = new Uint8Array([...bytes.slice(0, entrySize), ...olderBytes.slice(olderEntry)]);
    expect(codeOf({ bytes: mixed }), "evidence of an older one").toBe("ReceiptNotVerified");
    expect(codeOf({ bytes: olderBytes }), "another one under its name").toBe("SnapshotRefused");
    const seqno = Number(name.split("_")[1]);
    expect(codeOf({ seqnoMin: seqno }), "new enough").toBe("accepted");
    expect(codeOf({ seqnoMin: seqno + 1 }), "stale").toBe("SnapshotRefused");
    const other = createServiceCertificate(crypto, generateSigningKey(), "CN=CCF Service", {
      notBeforeMs: Date.now() - 1000,
      validityDays: 1,
    });
    expect(codeOf({ serviceCertificate: other }), "of another service").toBe("ReceiptNotVerified");
    const wrongSecrets = new LedgerSecrets(crypto, [{ version: 0, key: crypto.bytes(32) }]);
    expect(codeOf({ secrets: wrongSecrets }), "another secret").toBe("WrongSecret");
    expect(codeOf({ secrets: undefined }), "public part").toBe("accepted");
  });

  // Goal: a damaged newest file does not keep a node from starting with an older one.
  test("fall back to an older one", () => {
    const secrets = recoverNodeSecrets(node);
    const names = committedSnapshots(node);
    const path = join(node.snapshotDirectory, names.at(-1)!);
    const bytes = readFileSync(path);
    const refused: unknown[] = [];
    writeFileSync(path, bytes.subarray(0, bytes.length - 10));
    try {
      const loaded = loadLatestSnapshot({
        directories: [node.snapshotDirectory],
        crypto,
        secrets,
        serviceCertificate,
        log: (_level, _message, facts) => refused.push(facts),
      });
      expect(loaded?.txId.seqno).toBe(Number(names.at(-2)!.split("_")[1]));
    } finally {
      writeFileSync(path, bytes);
    }
    expect(refused).toEqual([{ name: names.at(-1), code: "BadSnapshot" }]);
  });
});

describe("an executor that dies", () => {
  const node = new TestNode({ snapshotTxCount: 40 });
  beforeAll(async () => {
    await node.start();
    await node.open(app);
    await put(node, 0, 100);
    await until(() => committedSnapshots(node).length >= 1);
    await put(node, 100, 110);
  });
  afterAll(() => node.stop());

  // Goal: the next one starts from the snapshot, has everything, and takes further snapshots.
  test("is followed by one that starts from the snapshot", async () => {
    const before = committedSnapshots(node);
    const isExecutor = ({ name }: (typeof threads)[number]) => name?.startsWith("coco-executor");
    await threads.findLast(isExecutor)?.worker.terminate();
    await until(async () => (await node.get("/app/get?key=key109")).body === "value 109");
    const state = (await node.get("/node/state")).json();
    expect(before.map((name) => Number(name.split("_")[1]))).toContain(state.startup_seqno);
    expect((await node.get("/app/get?key=key5")).body).toBe("value 5");
    expect((await node.get("/app/get?key=key3")).status).toBe(404);
    await put(node, 110, 160);
    await until(() => committedSnapshots(node).length > before.length);
    const name = committedSnapshots(node).at(-1)!;
    const bytes = new Uint8Array(readFileSync(join(node.snapshotDirectory, name)));
    const secrets = recoverNodeSecrets(node);
    const serviceCertificate = node.node.serviceCertificatePem;
    const { txId } = loadSnapshot({ crypto, bytes, name, secrets, serviceCertificate });
    expect(txId.view).toBeGreaterThan(2);
  });
});
