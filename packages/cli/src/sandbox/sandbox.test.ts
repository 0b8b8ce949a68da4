import { execFileSync, type StdioOptions } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { pemToSigningKey } from "@coco/base/node";
import type { Connection } from "@coco/client";
import { connectNode } from "@coco/client/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { templateDirectory } from "../app/templates.ts";
import { coco, createTestDirectory, type RunResult } from "../run.testing.ts";
import { type ChildSandbox, startChildSandbox } from "./child.ts";

const root = resolve(import.meta.dirname, "../../../..");
const temporary = createTestDirectory();
const data = join(temporary, "sandbox");
const app = join(temporary, "app");
const source = join(app, "src", "logging.ts");

let sandbox: ChildSandbox;
let user: Connection;
const never = new AbortController().signal;

beforeAll(async () => {
  cpSync(templateDirectory("logging"), app, { recursive: true });
  const line = ["--port", "0", "--members", "3", "--users", "2", "--data", data, "--app", app];
  sandbox = await startChildSandbox(line, never);
  const { url, serviceCert, users } = sandbox.facts;
  user = connectNode({
    url,
    serviceCertificate: readFileSync(serviceCert, "utf8"),
    identity: {
      certificate: readFileSync(users[0]!.cert, "utf8"),
      key: readFileSync(users[0]!.key, "utf8"),
    },
  });
}, 60_000);

afterAll(async () => {
  await user?.close();
  await sandbox?.stop();
});

/** A command against the sandbox of this file. */
const here = (...line: readonly string[]): Promise<RunResult> =>
  coco([...line, "--sandbox", data, "--json"]);

/** Runs a program from the project's root; its errors are not shown. */
function runQuietly(args: readonly string[]): Buffer {
  const stdio: StdioOptions = ["ignore", "pipe", "ignore"];
  return execFileSync(process.execPath, [...args], { cwd: root, stdio });
}

/** Asks until the answer fits, because a reload takes a moment. */
async function until(isDone: () => Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  while (!(await isDone())) {
    if (Date.now() > deadlineMs) throw new Error("it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe("a sandbox", () => {
  // Goal: the facts name existing files, the service is open and all members are active.
  test("is open, with active members", async () => {
    const { facts } = sandbox;
    expect(Object.keys(facts)).toEqual(["url", "serviceCert", "ledgerDir", "members", "users"]);
    expect(facts.members).toHaveLength(3);
    expect(facts.users).toHaveLength(2);
    const { members, users } = facts;
    const memberFiles = members.flatMap(({ cert, key, encryptionKey }) => [
      cert,
      key,
      encryptionKey,
    ]);
    const userFiles = users.flatMap(({ cert, key }) => [cert, key]);
    for (const path of [facts.serviceCert, facts.ledgerDir, ...memberFiles, ...userFiles]) {
      expect(existsSync(path)).toBe(true);
    }
    const network = (await user.query("/node/network")).json<{ service_status: string }>();
    expect(network.service_status).toBe("Open");
    const listed = (await here("gov", "members")).json<{ memberId: string; status: string }[]>();
    expect(listed.map(({ status }) => status)).toEqual(["Active", "Active", "Active"]);
    expect(new Set(listed.map(({ memberId }) => memberId))).toEqual(
      new Set(members.map(({ id }) => id)),
    );
  });

  // Goal: a write is committed, and its receipt verifies offline against the service certificate.
  test("write, commit, receipt", async () => {
    const body = { id: 42, msg: "canary in a private table" };
    const { txId } = await user.submit("/app/log/private", { body });
    await user.waitForCommit(txId);
    expect((await user.query("/app/log/private?id=42")).json()).toEqual({ msg: body.msg });
    const file = join(temporary, "receipt.json");
    expect((await here("receipt", "get", txId, "--out", file)).code).toBe(0);
    const { serviceCert } = sandbox.facts;
    const line = ["receipt", "verify", file, "--service-cert", serviceCert, "--json"];
    expect((await coco(line)).json()).toMatchObject({ ok: true, txId });
  });

  // Goal: claims that an app sets are proven by the receipt, and other claims are not.
  test("a receipt with claims", async () => {
    const headers = { "x-record-claim": "true" };
    const body = { id: 1, msg: "public message" };
    const { txId, receipt } = await user.submitAndCommit("/app/log/public", { body, headers });
    const claims = new TextEncoder().encode(body.msg);
    const claimsDigest = createHash("sha256").update(claims).digest("hex");
    expect(user.verifyReceipt(receipt, { txId, claims })).toMatchObject({ txId, claimsDigest });
    const other = new TextEncoder().encode("another message");
    expect(() => user.verifyReceipt(receipt, { claims: other })).toThrow(
      expect.objectContaining({ code: "ReceiptNotVerified" }),
    );
  });

  // Goal: governance works from the command line, with a key at hand and with one elsewhere.
  test("propose, show, list, prepare and finish", async () => {
    const file = join(temporary, "proposal.json");
    const cert = readFileSync(sandbox.facts.users[1]!.cert, "utf8");
    const args = { cert, user_data: { department: "audit" } };
    writeFileSync(file, JSON.stringify({ actions: [{ name: "set_user", args }] }));
    const proposed = await here("gov", "propose", file, "--member", "1");
    expect(proposed.json()).toMatchObject({ proposalState: "Accepted" });
    const id = proposed.json<{ proposalId: string }>().proposalId;
    const shown = (await here("gov", "show", id.slice(0, 12))).json();
    expect(shown).toMatchObject({ proposalId: id, actions: [{ name: "set_user" }] });
    const listed = (await here("gov", "list")).json<{ proposalId: string }[]>();
    expect(listed.map(({ proposalId }) => proposalId)).toContain(id);
    const prepared = join(temporary, "prepared.json");
    const signature = join(temporary, "signature.bin");
    expect((await here("gov", "propose", file, "--prepare", prepared)).code).toBe(0);
    const { toBeSigned } = JSON.parse(readFileSync(prepared, "utf8"));
    const key = pemToSigningKey(readFileSync(sandbox.facts.members[0]!.key, "utf8"));
    writeFileSync(signature, key.sign(new Uint8Array(Buffer.from(toBeSigned, "base64"))));
    const finish = ["gov", "propose", "--finish", prepared, "--signature", signature];
    const finished = await here(...finish);
    expect(finished.json()).toMatchObject({ proposalState: "Accepted" });
    // The same bytes again are a replay.
    const replayed = await here(...finish);
    expect(replayed.code).toBe(1);
    expect(replayed.talk).toContain("ProposalReplay");
    expect((await here("gov", "constitution")).json()).toMatchObject({
      constitution: expect.stringContaining("validate"),
    });
    expect((await here("gov", "ack", "--member", "2")).code).toBe(0);
  });

  // Goal: refusals of the node reach the person as one numbered line.
  test("refused governance", async () => {
    const file = join(temporary, "unknown-action.json");
    writeFileSync(file, '{"actions": [{"name": "no_such_action", "args": {}}]}');
    const { code, talk } = await here("gov", "propose", file);
    expect(code).toBe(1);
    expect(talk).toMatch(/^COCO-8040 The governance request was refused: .*ProposalFailedTo/m);
    const unknown = await here("gov", "vote", "ab".repeat(32), "--yes");
    expect(unknown.code).toBe(1);
    expect(unknown.talk).toContain("ProposalNotFound");
    expect((await here("gov", "vote", "ab".repeat(32))).talk).toContain("exactly one of");
  });

  // Goal: a saved change is served; one that does not compile leaves the old version in place.
  test("hot reload", async () => {
    const text = readFileSync(source, "utf8");
    const renamed = text.replace("No message $", "Nothing at $");
    expect(renamed).not.toBe(text);
    const answer = async () => (await user.request("/app/log/private?id=777")).text();
    expect(await answer()).toContain("No message 777.");
    writeFileSync(source, renamed);
    await until(async () => (await answer()).includes("Nothing at 777."));
    appendFileSync(source, "\nexport function broken( {\n");
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await answer()).toContain("Nothing at 777.");
    writeFileSync(source, text);
    await until(async () => (await answer()).includes("No message 777."));
  });

  // Goal: what the app prints and why it fails is in the log, with places in the TypeScript.
  test("app logs", async () => {
    const text = readFileSync(source, "utf8");
    const head = "export function countPrivate(request: AppRequest): AppResponse {\n";
    const body = "  console.log('counting', request.query);\n";
    writeFileSync(source, text.replace(head, head + body));
    const ask = () => user.request("/app/log/private/count?x");
    const logs = async () => (await coco(["app", "logs", "--sandbox", data])).out;
    await until(async () => (await ask()).status > 0 && (await logs()).includes("counting x"));
    expect(await logs()).not.toContain("node started");
    const all = await coco(["app", "logs", "--sandbox", data, "--all", "--json"]);
    expect(all.out).toContain('"message":"node started"');
    const fails = text.replace(
      head,
      `${head}  if (request.query === "x") throw new Error("on purpose");\n`,
    );
    writeFileSync(source, fails);
    await until(async () => (await ask()).status === 500);
    await until(async () => /on purpose[\s\S]*src\/logging\.ts:\d+/.test(await logs()));
    writeFileSync(source, text);
    await until(async () => (await ask()).status === 200);
  });

  // Goal: `app deploy` replaces the app through a proposal.
  test("app deploy", async () => {
    const { code, json } = await here("app", "deploy", app);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ proposalState: "Accepted" });
  });

  // Goal: the notary example runs: its client registers a file and verifies the receipt offline.
  test("the notary example", async () => {
    const example = join(root, "examples", "notary");
    expect((await here("app", "deploy", example)).code).toBe(0);
    const client = join(example, "client.mjs");
    const facts = join(data, "sandbox.json");
    const run = () => runQuietly([client, "README.md", facts]);
    expect(run().toString("utf8")).toMatch(
      /^README\.md is registered in transaction 2\.\d+, under/,
    );
    const digest = createHash("sha256")
      .update(readFileSync(join(root, "README.md")))
      .digest("hex");
    const found = (await user.query(`/app/documents/${digest}`)).json();
    expect(found).toEqual({ owner: sandbox.facts.users[0]!.id, title: "README.md" });
    expect(run).toThrow();
  });

  // Goal: the measurement drives a running node and reports the promised figures.
  test("bench logging", async () => {
    const { url, serviceCert, users } = sandbox.facts;
    expect((await here("app", "deploy", app)).code).toBe(0);
    const { code, json } = await coco([
      ...["bench", "logging", "--url", url, "--service-cert", serviceCert],
      ...["--cert", users[0]!.cert, "--key", users[0]!.key],
      ...["--duration", "200ms", "--connections", "4", "--keys", "1000", "--json"],
    ]);
    expect(code).toBe(0);
    const figures = json();
    for (const name of ["writesPerSecond", "readsPerSecond", "writeP50Ms", "commitP50Ms"]) {
      expect(figures[name]).toBeGreaterThan(0);
    }
    const wrong = await coco(["bench", "logging", "--duration", "soon"]);
    expect(wrong.code).toBe(2);
  });

  // Goal: a port that is taken and a directory with other things are refused before anything runs.
  test("preflight checks", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    const { port } = server.address() as { port: number };
    const other = join(temporary, "other");
    const taken = await coco(["sandbox", "--port", String(port), "--data", other]);
    server.close();
    expect(taken.code).toBe(1);
    expect(taken.talk).toMatch(/^COCO-9010 The port is in use: 127\.0\.0\.1:/m);
    expect(existsSync(other)).toBe(false);
    const foreign = await coco(["sandbox", "--port", "0", "--data", temporary, "--fresh"]);
    expect(foreign.code).toBe(1);
    expect(foreign.talk).toContain("COCO-9013");
    const second = await coco(["sandbox", "--port", "0", "--data", data, "--fresh"]);
    expect(second.code).toBe(1);
    expect(second.talk).toContain("COCO-9014");
    expect(existsSync(app)).toBe(true);
  });

  // Goal: after a graceful stop the ledger verifies for this service, the members' keys decrypt it
  // and give back the private message, which stands nowhere in clear.
  test("stop, verify and decrypt the ledger", async () => {
    await user.close();
    await sandbox.stop();
    const { ledgerDir, serviceCert } = sandbox.facts;
    const verified = await coco([
      ...["ledger", "verify", ledgerDir, "--json"],
      ...["--service-cert", serviceCert],
    ]);
    expect([verified.code, verified.talk]).toEqual([0, ""]);
    const line = ["ledger", "decrypt", data, "--member-keys", data, "--table", "records", "--json"];
    const decrypted = (await coco(line)).json();
    expect(decrypted).toMatchObject({ ok: true, threshold: 2 });
    expect(decrypted.history).toContainEqual(
      expect.objectContaining({ key: "42", value: "canary in a private table" }),
    );
  });
});
