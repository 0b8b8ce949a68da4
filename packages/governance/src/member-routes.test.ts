import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createTestMember, dump, type TestMember, TestService } from "./governance.testing.ts";
import { governanceTables } from "./tables.ts";

let members: readonly TestMember[];
let alice: TestMember;
let bob: TestMember;
let service: TestService;

beforeAll(() => {
  members = ["alice", "bob"].map(createTestMember);
  [alice, bob] = members as [TestMember, TestMember];
});

beforeEach(() => {
  service = new TestService(members);
});

const path = (member: TestMember, action = "") => `/members/state-digests/${member.id}${action}`;

describe("state digests", () => {
  test("a member becomes active by signing the root of the last signature", () => {
    const early = service.post(path(alice, ":update"), alice, { type: "state_digest" });
    expect([early.status, early.json.error.code]).toEqual([500, "InternalError"]);
    service.signLedger("5a".repeat(32));
    const updated = service.post(path(alice, ":update"), alice, { type: "state_digest" });
    expect(updated.json).toEqual({ memberId: alice.id, stateDigest: "5a".repeat(32) });
    expect(service.get(path(alice)).json).toEqual(updated.json);

    const wrong = service.post(path(alice, ":ack"), alice, {
      type: "ack",
      payload: { stateDigest: "00" },
    });
    expect([wrong.status, wrong.json.error.code]).toEqual([400, "StateDigestMismatch"]);
    const acknowledged = service.post(path(alice, ":ack"), alice, {
      type: "ack",
      payload: { stateDigest: "5a".repeat(32) },
    });
    expect([acknowledged.status, acknowledged.text]).toEqual([204, ""]);
    expect(service.get(`/service/members/${alice.id}`).json.status).toBe("Active");
    const stored = dump(service.store)["public:ccf.gov.members.acks"]![alice.id]!;
    expect(Object.keys(JSON.parse(stored))).toEqual(["cose_sign1_req", "state_digest"]);
  });

  test("new shares are issued when a recovery member joins an open service, and only then", () => {
    service.signLedger();
    service.activate(alice);
    expect(service.effects).toEqual([]);
    service.setStatus("Open");
    service.activate(bob);
    expect(service.effects).toEqual([["refreshShares"]]);
    service.activate(bob);
    expect(service.effects).toHaveLength(1);
  });

  test("a member acts for themselves only, with a JSON object, and after set_member", () => {
    service.signLedger();
    const foreign = service.post(path(bob, ":ack"), alice, { type: "ack", payload: {} });
    expect(foreign.json.error).toEqual({
      code: "InvalidAuthenticationInfo",
      message:
        `Member ID from path parameter (m[${bob.id}]) does not match ` +
        `member ID from body signature (m[${alice.id}]).`,
    });
    const empty = service.post(path(alice, ":ack"), alice, { type: "ack", payload: {} });
    expect([empty.status, empty.json.error.code]).toEqual([400, "InvalidInput"]);
    service.write((transaction) => governanceTables.memberAcks.of(transaction).delete(alice.id));
    const none = service.post(path(alice, ":ack"), alice, {
      type: "ack",
      payload: { stateDigest: "" },
    });
    expect([none.status, none.json.error.code]).toEqual([403, "AuthorizationFailed"]);
    expect(service.get(path(alice)).status).toBe(404);
  });

  test("ack and state_digest are not the same message", () => {
    service.signLedger();
    const answer = service.post(path(alice, ":update"), alice, { type: "ack" });
    expect([answer.status, answer.json.error.details[0].auth_policy]).toEqual([
      401,
      "member_cose_sign1",
    ]);
  });
});

describe("what every governance request needs", () => {
  test("an api version that is known", () => {
    const code = (query: string) => service.get(`/service/info?${query}`).json?.error?.code;
    expect(code("x=1")).toBe("MissingApiVersionParameter");
    expect(code("api-version=")).toBe("UnsupportedApiVersionValue");
    expect(code("api-version=2024-07-02")).toBe("UnsupportedApiVersionValue");
    expect(code("api-version=2023-06-01-preview&api-version=x")).toBe(undefined);
    expect(code("api%2Dversion=2024-07-01")).toBe(undefined);
    const older = service.get("/service/javascript-app?api-version=2023-06-01-preview");
    expect(older.json.error.message).toBe(
      "Unsupported api-version '2023-06-01-preview'. The supported api-versions are: 2024-07-01",
    );
  });

  test("a known path and verb", () => {
    expect(service.get("/nosuch").json.error).toEqual({
      code: "ResourceNotFound",
      message: "Unknown path: /nosuch.",
    });
    const wrong = service.send("GET", "/members/proposals:create");
    expect([wrong.status, wrong.json.error.code]).toEqual([405, "UnsupportedHttpVerb"]);
  });

  test("queries with odd escapes do no harm", () => {
    const answer = service.get("/service/javascript-app?case=%ZZ&api-version=2024-07-01");
    expect([answer.status, answer.json.error.code]).toEqual([400, "InvalidQueryParameterValue"]);
    expect(service.get("/service/javascript-modules/%ZZ").status).toBe(400);
    expect(service.get("/service/javascript-modules/nosuch").status).toBe(404);
  });

  test("transactions are told without touching the store", () => {
    const { endpoints } = service.application;
    const hidden = service.read((transaction) =>
      endpoints.list(transaction).filter(({ isStoreFree }) => isStoreFree),
    );
    expect(hidden.map((endpoint) => endpoint.path)).toEqual([
      "/service/transactions/commit",
      "/service/transactions/{transactionId}",
    ]);
    expect(service.get("/service/transactions/commit").json).toEqual({
      status: "Committed",
      transactionId: "2.21",
    });
    expect(service.get("/service/transactions/2.30").json.status).toBe("Unknown");
    expect(service.get("/service/transactions/2.x").status).toBe(400);
  });
});
