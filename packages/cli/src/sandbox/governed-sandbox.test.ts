import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pemToSigningKey } from "@coco/base/node";
import { defaultConstitution } from "@coco/governance";
import { afterAll, beforeAll, expect, test } from "vitest";
import { coco, createTestDirectory, type RunResult } from "../run.testing.ts";
import { type ChildSandbox, startChildSandbox } from "./child.ts";

/** A sandbox whose members really have to vote. */
const temporary = createTestDirectory();
const data = join(temporary, "sandbox");
let sandbox: ChildSandbox;

beforeAll(async () => {
  const constitution = join(temporary, "constitution.js");
  writeFileSync(constitution, defaultConstitution);
  const line = ["--port", "0", "--members", "3", "--data", data, "--constitution", constitution];
  sandbox = await startChildSandbox(line, new AbortController().signal);
}, 60_000);
afterAll(() => sandbox?.stop());

const here = (...line: readonly string[]): Promise<RunResult> =>
  coco([...line, "--sandbox", data, "--json"]);

async function propose(): Promise<string> {
  const file = join(temporary, "proposal.json");
  const cert = readFileSync(sandbox.facts.users[0]!.cert, "utf8");
  const actions = [{ name: "set_user", args: { cert, user_data: { at: Date.now() } } }];
  writeFileSync(file, JSON.stringify({ actions }));
  const proposed = await here("gov", "propose", file);
  expect(proposed.json()).toMatchObject({ proposalState: "Open", ballotCount: 0 });
  return proposed.json<{ proposalId: string }>().proposalId;
}

// Goal: a proposal is accepted by the majority's ballots, one of them a script of its own.
test("a vote", async () => {
  const id = await propose();
  const first = await here("gov", "vote", id, "--yes");
  expect(first.json()).toMatchObject({ proposalState: "Open", ballotCount: 1 });
  const ballot = join(temporary, "ballot.js");
  writeFileSync(
    ballot,
    "export function vote(proposal, proposerId) {\n" +
      "  return JSON.parse(proposal).actions.every(({ name }) => name === 'set_user');\n}\n",
  );
  const line = ["gov", "vote", id.slice(0, 16), "--ballot", ballot, "--member", "1"];
  const second = await here(...line);
  expect(second.json()).toMatchObject({ proposalState: "Accepted" });
  const votes = Object.values(second.json<{ finalVotes: object }>().finalVotes);
  expect(votes).toEqual([true, true]);
});

// Goal: a ballot can be signed elsewhere, also for a shortened id, and counts like any other.
test("a vote with a key elsewhere", async () => {
  const id = await propose();
  const prepared = join(temporary, "ballot.json");
  const signature = join(temporary, "ballot.sig");
  const line = ["gov", "vote", id.slice(0, 20), "--yes", "--member", "2", "--prepare", prepared];
  expect((await here(...line)).code).toBe(0);
  const { toBeSigned, alg } = JSON.parse(readFileSync(prepared, "utf8"));
  expect(alg).toBe(-35);
  const key = pemToSigningKey(readFileSync(sandbox.facts.members[2]!.key, "utf8"));
  const signed = key.sign(new Uint8Array(Buffer.from(toBeSigned, "base64")));
  writeFileSync(signature, Buffer.from(signed).toString("base64"));
  const finish = ["gov", "vote", id, "--finish", prepared, "--signature"];
  const finished = await here(...finish, signature);
  expect(finished.json()).toMatchObject({ proposalState: "Open", ballotCount: 1 });
  writeFileSync(signature, "no signature");
  const wrong = await here(...finish, signature);
  expect(wrong.talk).toContain("COCO-8042");
});

// Goal: the proposer can withdraw an open proposal; afterwards nobody can vote on it.
test("a withdrawal", async () => {
  const id = await propose();
  const other = await here("gov", "withdraw", id, "--member", "2");
  expect(other.code).toBe(1);
  const withdrawn = await here("gov", "withdraw", id);
  expect(withdrawn.json()).toMatchObject({ proposalState: "Withdrawn" });
  const late = await here("gov", "vote", id, "--yes", "--member", "1");
  expect(late.code).toBe(1);
  expect(late.talk).toContain("ProposalNotOpen");
});

// Goal: an app that needs votes is proposed; the command says that the members have to vote.
test("app deploy waits for votes", async () => {
  const app = join(temporary, "app");
  await coco(["app", "create", app]);
  const { code, json, talk } = await here("app", "deploy", app);
  expect(code).toBe(0);
  expect(json()).toMatchObject({ proposalState: "Open" });
  expect(talk).toContain("coco gov vote");
});

// Goal: a node that is gone is a network failure for every command that needs it.
test("after the stop", async () => {
  await sandbox.stop();
  for (const line of [
    ["gov", "list"],
    ["gov", "members"],
    ["receipt", "get", "2.5"],
  ]) {
    const { code, talk } = await here(...line);
    expect([line, code]).toEqual([line, 3]);
    expect(talk).toContain("COCO-8000");
  }
});
