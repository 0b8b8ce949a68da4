import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { bytesToHex } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import { decryptLedger, encodeShare, parseReceipt, verifyReceipt } from "@coco/store";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { LedgerFileSet, listLedgerFiles } from "./ledger-files.ts";
import { type TestIdentity, TestNode } from "./node.testing.ts";
import {
  agree,
  createRecoveryNode,
  dumpApp,
  dumpTables,
  fetchReceipt,
  fetchShare,
  serviceStatus,
  submitShare,
  submitShares,
  untilOpen,
  voteOpen,
} from "./recovery.testing.ts";

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
const running: TestNode[] = [];
let members: readonly TestIdentity[];
let user: TestIdentity;
/** Directory and certificate of a service that has stopped; tests work on copies. */
let lost: { readonly directory: string; readonly certificate: string; readonly txId: string };

const rekey = { name: "trigger_ledger_rekey" };
const threshold = { name: "set_recovery_threshold", args: { recovery_threshold: 2 } };

async function put(node: TestNode, key: string): Promise<string> {
  const answer = await node.post("/app/put", { key, value: `value of ${key}` });
  expect(answer.status).toBe(200);
  return String(answer.headers["x-ms-ccf-transaction-id"]);
}

/** Ends the threads of all executors; the supervisor starts the next ones. */
async function killExecutor(node: TestNode): Promise<void> {
  const starts = () => node.logLines.filter((line) => line.includes("starting a new executor"));
  const before = starts().length;
  const executors = threads.filter(({ name }) => name?.startsWith("coco-executor"));
  threads.length = 0;
  await Promise.all(executors.map(({ worker }) => worker.terminate()));
  while (starts().length === before) await new Promise((done) => setTimeout(done, 5));
  while ((await node.get("/node/state").catch(() => undefined))?.status !== 200) {
    await new Promise((done) => setTimeout(done, 20));
  }
}

async function keysOf(node: TestNode): Promise<readonly string[]> {
  const records = (await dumpTables(node, ["records"])).get("records") ?? {};
  return Object.keys(records)
    .map((key) => Buffer.from(key, "hex").toString("utf8"))
    .sort();
}

beforeAll(async () => {
  const node = new TestNode({ memberCount: 3 });
  await node.start();
  await node.open(dumpApp);
  await agree(node, [threshold]);
  await put(node, "first");
  await agree(node, [rekey]);
  const txId = await put(node, "second");
  await agree(node, [rekey]);
  await put(node, "third");
  const certificate = node.node.serviceCertificatePem;
  await node.stop();
  ({ members, user } = node);
  lost = { directory: node.directory, certificate, txId };
}, 60_000);

afterEach(async () => {
  for (const node of running.splice(0)) await node.stop();
});

afterAll(() => {
  rmSync(lost.directory, { recursive: true, force: true });
});

function copy(directory: string): string {
  const target = mkdtempSync(join(tmpdir(), "coco-recovery-"));
  cpSync(directory, target, { recursive: true });
  return target;
}

function prepare(directory = lost.directory, certificate = lost.certificate): TestNode {
  const node = createRecoveryNode(copy(directory), certificate, { members, user });
  running.push(node);
  return node;
}

async function recover(directory?: string, certificate?: string): Promise<TestNode> {
  const node = prepare(directory, certificate);
  await node.start();
  return node;
}

async function reopen(node: TestNode, previous: string): Promise<void> {
  await voteOpen(node, previous);
  await submitShares(node);
}

function listing(directory: string): ReadonlyMap<string, string> {
  const ledger = join(directory, "ledger");
  const names = readdirSync(ledger).sort();
  const digest = (name: string) => bytesToHex(crypto.sha256(readFileSync(join(ledger, name))));
  return new Map(names.map((name) => [name, digest(name)]));
}

describe("a service of our own", () => {
  // Goal: data, old receipts and the endorsement chain survive re-keys and two recoveries, and the
  // members' keys open the whole ledger afterwards.
  test("is recovered twice, with re-keys between", { timeout: 60_000 }, async () => {
    const first = await recover();
    await reopen(first, lost.certificate);
    expect(await keysOf(first)).toEqual(["first", "second", "third"]);
    await agree(first, [rekey]);
    const between = await put(first, "fourth");
    const middle = first.node.serviceCertificatePem;
    await first.stop();
    const second = await recover(first.directory, middle);
    await reopen(second, middle);
    expect(await keysOf(second)).toEqual(["first", "fourth", "second", "third"]);
    expect((await second.get("/node/network")).json().recovery_count).toBe(2);
    const serviceCertificate = second.node.serviceCertificatePem;
    for (const txId of [lost.txId, between, await put(second, "fifth")]) {
      const answer = await fetchReceipt(second, txId);
      expect([txId, answer.status]).toEqual([txId, 200]);
      const receipt = parseReceipt(answer.json());
      const verified = verifyReceipt(crypto, receipt, { serviceCertificate, txId });
      expect(verified.txId).toBeDefined();
    }
    await second.stop();
    const files = new LedgerFileSet();
    const list = listLedgerFiles([second.ledgerDirectory], "leave");
    const report = decryptLedger(
      list.map((file) => files.file(file)),
      { crypto, memberEncryptionKeys: members.slice(1).map((m) => m.encryption.privatePem) },
    );
    files.close();
    // One from the start, three re-keys, one for each recovery.
    expect(report).toMatchObject({ ledgerSecrets: 6, sharesUsed: 2, threshold: 2 });
    expect(report.privateDecrypted).toBe(report.audit.transactions);
  });

  // Goal: what a node that was killed before the opening left is dropped, and nothing of it stays.
  test("is recovered again after a kill during the recovery", async () => {
    const first = await recover();
    await voteOpen(first, lost.certificate);
    const share = await fetchShare(first, members[0]!);
    expect((await submitShare(first, members[0]!, share)).status).toBe(200);
    const left = listing(first.directory);
    expect([...left.keys()].some((name) => name.endsWith(".recovery"))).toBe(true);
    const second = await recover(first.directory);
    await first.stop();
    expect(await serviceStatus(second)).toBe("Recovering");
    expect((await second.get("/node/network")).json().recovery_count).toBe(1);
    await reopen(second, lost.certificate);
    expect(await keysOf(second)).toEqual(["first", "second", "third"]);
    await second.stop();
    expect([...listing(second.directory).keys()].join()).not.toContain("recovery");
  });

  // Goal: a kill right after the opening loses nothing, whichever files have their final names.
  test("keeps what was committed between the opening and the last renaming", async () => {
    const first = await recover();
    await reopen(first, lost.certificate);
    // The chunk of the opening ends with its signature; what follows is in another one.
    const isSigned = () => [...listing(first.directory).keys()].at(-1)?.endsWith(".committed");
    while (isSigned() !== true) await new Promise((done) => setTimeout(done, 5));
    await put(first, "fourth");
    const middle = first.node.serviceCertificatePem;
    const network = (await first.get("/node/network")).json();
    const created: string = network.current_service_create_txid;
    await first.stop();
    const ledger = join(first.directory, "ledger");
    const createSeqno = Number(created.split(".")[1]);
    const startOf = (name: string) => Number(/[0-9]+/.exec(name)![0]);
    const names = readdirSync(ledger)
      .filter((name) => startOf(name) >= createSeqno)
      .sort((left, right) => startOf(left) - startOf(right));
    expect(names.length).toBeGreaterThan(1);
    // Files are renamed from the first to the last.
    for (const unfinished of [names, names.slice(1)]) {
      const directory = copy(first.directory);
      for (const name of unfinished) {
        const path = join(directory, "ledger", name);
        cpSync(path, `${path}.recovery`);
        rmSync(path);
      }
      const second = await recover(directory, middle);
      await reopen(second, middle);
      expect(await keysOf(second)).toEqual(["first", "fourth", "second", "third"]);
      await second.stop();
    }
  });

  // Goal: when the executor dies while members submit shares, the next one goes on there.
  test("goes on with a new executor", { timeout: 30_000 }, async () => {
    const node = await recover();
    await voteOpen(node, lost.certificate);
    const share = await fetchShare(node, members[0]!);
    expect((await submitShare(node, members[0]!, share)).status).toBe(200);
    await killExecutor(node);
    expect(await serviceStatus(node)).toBe("WaitingForRecoveryShares");
    await submitShares(node);
    expect(await keysOf(node)).toEqual(["first", "second", "third"]);
    // The opening may be lost with the executor; the shares are not, so it comes again.
    await killExecutor(node);
    await untilOpen(node);
    expect(await keysOf(node)).toEqual(["first", "second", "third"]);
    await put(node, "fourth");
    expect((await fetchReceipt(node, lost.txId)).json().service_endorsements).toHaveLength(1);
  });
});

describe("a recovery is refused", () => {
  // Goal: the ledger of another service is not taken, and nothing of it is touched.
  test("with the certificate of another service", async () => {
    const other = new TestNode();
    await other.start();
    running.push(other);
    const node = prepare(lost.directory, other.node.serviceCertificatePem);
    const before = listing(node.directory);
    await expect(node.start()).rejects.toThrow(/belongs to another service|key differs/);
    expect(listing(node.directory)).toEqual(before);
  });

  // Goal: one changed byte is found, named with its place, and nothing is touched.
  test("with a changed byte in the ledger", async () => {
    const node = prepare();
    const ledger = join(node.directory, "ledger");
    const name = readdirSync(ledger).sort()[0]!;
    const bytes = readFileSync(join(ledger, name));
    const offset = Math.floor(bytes.length / 2);
    bytes[offset]! ^= 1;
    writeFileSync(join(ledger, name), bytes);
    const before = listing(node.directory);
    await expect(node.start()).rejects.toThrow(new RegExp(`${name}, byte [0-9]+, seqno [0-9]+`));
    expect(listing(node.directory)).toEqual(before);
  });

  // Goal: a directory without a ledger is named.
  test("without a ledger", async () => {
    const node = prepare();
    rmSync(join(node.directory, "ledger"), { recursive: true });
    await expect(node.start()).rejects.toThrow(/there is no directory/);
  });
});

describe("a service stays closed", () => {
  // Goal: members who name another previous identity do not open it.
  test("for a vote about another previous identity", async () => {
    const node = await recover();
    await expect(voteOpen(node, node.node.serviceCertificatePem)).rejects.toThrow();
    expect(await serviceStatus(node)).toBe("Recovering");
  });

  // Goal: one share fewer than the threshold opens nothing, and private data stays unread.
  test("with too few shares", async () => {
    const node = await recover();
    await voteOpen(node, lost.certificate);
    const answer = await submitShare(node, members[0]!, await fetchShare(node, members[0]!));
    expect(answer.json()).toMatchObject({ submittedCount: 1, recoveryThreshold: 2 });
    expect(await serviceStatus(node)).toBe("WaitingForRecoveryShares");
    expect((await node.get("/node/state")).json().state).toBe("PartOfPublicNetwork");
    expect((await node.get("/app/dump?table=records")).status).toBe(404);
    const receipt = await fetchReceipt(node, lost.txId);
    expect([receipt.status, receipt.json().error.code]).toEqual([404, "TransactionInvalid"]);
  });

  // Goal: the same share twice is one share.
  test("with one share given by two members", async () => {
    const node = await recover();
    await voteOpen(node, lost.certificate);
    const share = await fetchShare(node, members[0]!);
    expect((await submitShare(node, members[0]!, share)).status).toBe(200);
    expect((await submitShare(node, members[1]!, share)).status).toBe(400);
    expect(await serviceStatus(node)).toBe("WaitingForRecoveryShares");
  });

  // Goal: shares of another secret are refused when they are put together; right ones still work.
  test("with a wrong share, until the right ones come", async () => {
    const node = await recover();
    await voteOpen(node, lost.certificate);
    const foreign = encodeShare({ x: 2, y: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] });
    const own = await fetchShare(node, members[0]!);
    expect((await submitShare(node, members[0]!, own)).status).toBe(200);
    const answer = await submitShare(node, members[1]!, foreign);
    expect([answer.status, answer.json().error.code]).toEqual([400, "InvalidInput"]);
    expect(await serviceStatus(node)).toBe("WaitingForRecoveryShares");
    const short = await submitShare(node, members[1]!, new Uint8Array(43));
    expect(short.status).toBe(400);
    await submitShares(node);
    expect(await keysOf(node)).toEqual(["first", "second", "third"]);
  });

  // Goal: shares and secrets of the old ledger cannot be replaced before they were used.
  test("for votes that would replace the shares or the secret", async () => {
    const node = await recover();
    for (const action of [{ name: "trigger_recovery_shares_refresh" }, rekey]) {
      await expect(agree(node, [action])).rejects.toThrow();
    }
    await reopen(node, lost.certificate);
    expect(await serviceStatus(node)).toBe("Open");
  });

  // Goal: a host that gives other files when the private part is read is found by the root.
  test("when the ledger files change after the public part was read", async () => {
    const node = await recover();
    await voteOpen(node, lost.certificate);
    const ledger = join(node.directory, "ledger");
    const name = readdirSync(ledger).sort()[0]!;
    const right = readFileSync(join(ledger, name));
    const wrong = Buffer.from(right);
    wrong[60]! ^= 1;
    writeFileSync(join(ledger, name), wrong);
    for (const member of members.slice(0, 2)) {
      const answer = await submitShare(node, member, await fetchShare(node, member));
      expect(answer.status).toBe(200);
    }
    await untilLogged(node, "PrivateRecoveryFailed");
    expect(await serviceStatus(node)).toBe("WaitingForRecoveryShares");
    writeFileSync(join(ledger, name), right);
    await submitShares(node);
    expect(await keysOf(node)).toEqual(["first", "second", "third"]);
  });
});

async function untilLogged(node: TestNode, text: string): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!node.logLines.some((line) => line.includes(text))) {
    if (performance.now() > endMs) throw new Error(`"${text}" was not logged`);
    await new Promise((done) => setTimeout(done, 5));
  }
}
