import { storeErrors } from "@coco/store";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { defaultConstitution, sandboxConstitution } from "./constitution/constitutions.ts";
import { governanceErrors } from "./errors.ts";
import {
  constitutionOf,
  createTestMember,
  dump,
  type TestMember,
  TestService,
} from "./governance.testing.ts";

let members: readonly TestMember[];
let alice: TestMember;

beforeAll(() => {
  members = ["alice", "bob"].map(createTestMember);
  [alice] = members as [TestMember];
});

function propose(constitution: string, impatience = 1) {
  const service = new TestService(members, constitution);
  service.impatience = impatience;
  service.open();
  service.write((transaction) => {
    const text = (value: string) => new TextEncoder().encode(value);
    transaction.table("private").set(text("key"), text("secret"));
    transaction.table("public:records").set(text("key"), text("value"));
  });
  const before = dump(service.store);
  const answer = service.propose(alice, []);
  return { service, before, answer, after: dump(service.store) };
}

const read = (table: string) => `ccf.kv[${JSON.stringify(table)}].has(ccf.strToBuf("key"))`;
const write = (table: string) =>
  `ccf.kv[${JSON.stringify(table)}].set(ccf.strToBuf("key"), ccf.strToBuf("x"))`;

describe("table access of the stages", () => {
  const gov = "public:ccf.gov.members.info";
  const internal = "public:ccf.internal.signatures";
  const refusals: readonly (readonly ["validate" | "resolve" | "apply", string, string])[] = [
    ["validate", "writes governance", write(gov)],
    ["validate", "reads an application table", read("public:records")],
    ["validate", "reads a private table", read("private")],
    ["resolve", "writes governance", write(gov)],
    ["resolve", "reads an application table", read("public:records")],
    ["resolve", "writes an application table", write("public:records")],
    ["apply", "writes an internal table", write(internal)],
    ["apply", "reads an application table", read("public:records")],
    ["apply", "reads a private table", read("private")],
    ["apply", "writes a private table", write("private")],
    ["apply", "clears a private table", 'ccf.kv["private"].clear()'],
    ["apply", "reads an unknown ccf table", read("public:ccf.other.table")],
    ["apply", "writes a private governance table", write("ccf.gov.members.info")],
  ];
  test.each(refusals)("%s that %s is an error and changes nothing", (stage, _, body) => {
    const { answer, before, after } = propose(constitutionOf({ [stage]: `${body};` }));
    expect([400, 500]).toContain(answer.status);
    expect(answer.json.error.message).toMatch(
      /TypeError: Cannot call|TypeError: .* is (read-only|write-only|inaccessible)/,
    );
    expect(after).toEqual(before);
  });

  const allowed: readonly (readonly ["validate" | "resolve" | "apply", string, string])[] = [
    ["validate", "reads governance", `${read(gov)}; return { valid: true }`],
    ["validate", "reads internal tables", `${read(internal)}; return { valid: true }`],
    ["resolve", "reads internal tables", `${read(internal)}; return "Accepted"`],
    ["apply", "reads internal tables", read(internal)],
    ["apply", "writes governance", write("public:ccf.gov.history")],
    ["apply", "writes an application table", write("public:records")],
  ];
  test.each(allowed)("%s %s", (stage, _, body) => {
    expect(propose(constitutionOf({ [stage]: body })).answer.status).toBe(200);
  });
});

describe("the three functions", () => {
  test("a resolve of another value, or one that throws, discards the proposal", () => {
    for (const resolve of ['return "Maybe"', "throw new Error('no')", "return undefined"]) {
      const { answer, before, after } = propose(constitutionOf({ resolve }));
      expect([answer.status, answer.json.error.code]).toEqual([500, "InternalError"]);
      expect(after).toEqual(before);
    }
  });

  test("an endless function is stopped, and nothing changes", () => {
    for (const stage of ["validate", "resolve", "apply"]) {
      const body = `${write("public:ccf.gov.history")}; for (;;) {}`;
      const loop = stage === "apply" ? body : "for (;;) {}";
      const { answer, before, after } = propose(constitutionOf({ [stage]: loop }), 20);
      expect(answer.status).toBe(500);
      expect(answer.json.error.message).toContain("Operation took too long to complete.");
      expect(after).toEqual(before);
    }
  });

  test("validate has to return an object", () => {
    const { answer } = propose(constitutionOf({ validate: "return true" }));
    expect([answer.status, answer.json.error.code]).toEqual([500, "InternalError"]);
  });

  test("a result whose getters throw errors of the host's kind is only a failed validation", () => {
    for (const code of ["ExecutionTimeLimit", "TransactionConflict"]) {
      const forged = `Object.assign(new Error("forged"), { name: "CocoError", code: "${code}" })`;
      const validate = `return { get valid() { throw ${forged}; } }`;
      const { answer, before, after } = propose(constitutionOf({ validate }));
      expect([answer.status, answer.json.error.code]).toEqual([400, "ProposalFailedToValidate"]);
      expect(after).toEqual(before);
    }
  });

  test("effects are for apply only", () => {
    const effect = "ccf.node.triggerSnapshot()";
    const early = propose(constitutionOf({ resolve: `${effect}; return "Accepted"` }));
    expect(early.answer.json.error.message).toMatch(/only allowed in apply/);
    expect(early.service.effects).toEqual([]);
    const late = propose(constitutionOf({ apply: effect }));
    expect(late.service.effects).toEqual([["snapshot"]]);
  });

  test("an effect that fails is an error of the script, without the host's class", () => {
    const apply =
      "try { ccf.node.triggerSnapshot() } catch (e) { throw new Error(e.name + e.code + e.next) }";
    const service = new TestService(members, constitutionOf({ apply }));
    service.open();
    service.snapshotFailure = governanceErrors.create("NoService");
    const { error } = service.propose(alice, []).json;
    expect(error.message).toMatch(/^Failed to apply\(\): Error: Errorundefinedundefined/);
  });

  test("a conflict runs the request again, even when the script swallows it", () => {
    const apply = "try { ccf.node.triggerSnapshot() } catch {}";
    const service = new TestService(members, constitutionOf({ apply }));
    service.open();
    service.snapshotFailure = storeErrors.create("TransactionConflict");
    expect(() => service.propose(alice, [])).toThrow(service.snapshotFailure);
    service.snapshotFailure = undefined;
    expect(service.propose(alice, []).status).toBe(200);
  });

  test("calls share no state: every one gets a fresh module", () => {
    const source = `let calls = 0;\n${constitutionOf({ apply: "if (++calls > 1) throw 1" })}`;
    const service = new TestService(members, source);
    service.open();
    expect(service.propose(alice, []).status).toBe(200);
    expect(service.propose(alice, []).status).toBe(200);
  });

  test("resolve is given the proposer, the votes and the id", () => {
    const source = constitutionOf({}).replace(
      /export function resolve[^}]*}/,
      `export function resolve(proposal, proposerId, votes, proposalId) {
        if (ccf.kv["public:ccf.gov.proposals"].get(ccf.strToBuf(proposalId)) === undefined) throw 1;
        return proposerId === ${JSON.stringify(alice.id)} && votes.length === 0
          ? "Accepted" : "Rejected";
      }`,
    );
    expect(propose(source).answer.json.proposalState).toBe("Accepted");
  });
});

describe("constitutions that come with Coco", () => {
  let service: TestService;
  beforeEach(() => {
    service = new TestService(members, sandboxConstitution);
    service.open();
  });

  const setTo = (constitution: string) =>
    service.propose(alice, [{ name: "set_constitution", args: { constitution } }]);

  test("both are accepted as constitutions", () => {
    expect(setTo(sandboxConstitution).status).toBe(200);
    expect(setTo(defaultConstitution).status).toBe(200);
    expect(service.propose(alice, []).json.proposalState).toBe("Open");
  });

  const valid = constitutionOf({});
  test.each([
    ["empty", "", /must not be empty/],
    ["not JavaScript", "export function (", /.+/],
    ["without apply", valid.replace("function apply", "function other"), /apply is not exported/],
    ["with another resolve", valid.replace(", votes", ""), /resolve takes 2 parameters/],
    ["with another validate", valid.replace("(input)", "()"), /validate takes 0 parameters/],
    ["that throws when loaded", `${valid}; throw new Error("at load")`, /at load/],
    ["that loops when loaded", `${valid}; for (;;) {}`, /too long/],
    ["that reads tables when loaded", `${valid}; ccf.kv["x"].size`, /outside its call/],
  ])("one that is %s is refused", (_, constitution, reason) => {
    expect(service.propose(alice, []).status).toBe(200);
    service.impatience = 5;
    const answer = setTo(constitution);
    expect([answer.status, answer.json.error.code]).toEqual([400, "ProposalFailedToValidate"]);
    expect(answer.json.error.message).toMatch(reason);
  });
});
