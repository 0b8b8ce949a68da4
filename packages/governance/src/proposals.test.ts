import { bytesToHex, concatBytes, decodeCoseSign1, utf8ToBytes } from "@coco/base";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  createTestMember,
  crypto,
  dump,
  sign,
  type TestMember,
  TestService,
} from "./governance.testing.ts";
import { addMember } from "./members.ts";
import { governanceTables } from "./tables.ts";

let members: readonly TestMember[];
let alice: TestMember;
let bob: TestMember;
let carol: TestMember;
let service: TestService;

beforeAll(() => {
  members = ["alice", "bob", "carol"].map(createTestMember);
  [alice, bob, carol] = members as [TestMember, TestMember, TestMember];
});

beforeEach(() => {
  service = new TestService(members);
  service.open();
});

/** Actions that change something visible. */
const changeData = (value: number) => [
  { name: "set_member_data", args: { member_id: alice.id, member_data: { value } } },
];

function proposeOpen(value = 1, by = alice): string {
  const created = service.propose(by, changeData(value));
  expect(created.status).toBe(200);
  return created.json.proposalId;
}

function stateOf(proposalId: string): string {
  return service.get(`/members/proposals/${proposalId}`).json.proposalState;
}

describe("the life of a proposal among three members", () => {
  test("open, one vote, accepted by the second: applied, votes final", () => {
    const created = service.propose(alice, changeData(1));
    const id = created.json.proposalId;
    expect(created.json).toEqual({
      ballotCount: 0,
      proposalId: id,
      proposalState: "Open",
      proposerId: alice.id,
    });
    expect(service.vote(alice, id).json.proposalState).toBe("Open");
    const accepted = service.vote(bob, id);
    expect(accepted.status).toBe(200);
    expect(accepted.json).toEqual({
      ballotCount: 2,
      finalVotes: { [alice.id]: true, [bob.id]: true },
      proposalId: id,
      proposalState: "Accepted",
      proposerId: alice.id,
      voteFailures: {},
    });
    expect(service.get(`/service/members/${alice.id}`).json.memberData).toEqual({ value: 1 });
  });

  test("withdrawn by its proposer only, and twice without harm; unknown ones give 204", () => {
    const id = proposeOpen();
    const foreign = service.withdraw(bob, id);
    expect([foreign.status, foreign.json.error.code]).toEqual([403, "AuthorizationFailed"]);
    expect(service.withdraw(alice, id).json.proposalState).toBe("Withdrawn");
    expect(service.withdraw(alice, id).status).toBe(200);
    expect(service.withdraw(alice, "00".repeat(32)).status).toBe(204);
    const late = service.vote(bob, id);
    expect([late.status, late.json.error.code]).toEqual([400, "ProposalNotOpen"]);
  });

  test("no votes leave it open; an accepted one cannot be withdrawn", () => {
    const id = proposeOpen();
    for (const member of members) {
      expect(service.vote(member, id, "return false").json.proposalState).toBe("Open");
    }
    const other = proposeOpen(2);
    service.vote(alice, other);
    service.vote(bob, other);
    const withdrawn = service.withdraw(alice, other);
    expect([withdrawn.status, withdrawn.json.error.code]).toEqual([400, "ProposalNotOpen"]);
  });

  test("rejected by a constitution with a veto; final votes are kept", () => {
    const veto = `
      export function validate(input) { return { valid: true, description: "" }; }
      export function resolve(proposal, proposerId, votes, proposalId) {
        return votes.some((v) => !v.vote) ? "Rejected" : "Open";
      }
      export function apply(proposal, proposalId) {}
    `;
    service = new TestService(members, veto);
    service.open();
    const id = service.propose(alice, []).json.proposalId;
    service.vote(alice, id);
    const rejected = service.vote(bob, id, "return false").json;
    expect(rejected.proposalState).toBe("Rejected");
    expect(rejected.finalVotes).toEqual({ [alice.id]: true, [bob.id]: false });
  });

  test("failing to apply discards everything: the proposal stays open, without the ballot", () => {
    const action = { name: "set_recovery_threshold", args: { recovery_threshold: 200 } };
    const id = service.propose(alice, [action]).json.proposalId;
    service.vote(alice, id);
    const before = dump(service.store);
    const failed = service.vote(bob, id);
    expect([failed.status, failed.json.error.code]).toEqual([500, "InternalError"]);
    expect(failed.json.error.message).toMatch(/^Failed to apply\(\): Error: Cannot set recovery/);
    expect(dump(service.store)).toEqual(before);
    expect(service.get(`/members/proposals/${id}`).json.ballotCount).toBe(1);
  });

  test("a new constitution drops the other open proposals", () => {
    const open = proposeOpen(1, bob);
    const constitution = service.get("/service/constitution").text;
    const id = service.propose(alice, [
      { name: "set_constitution", args: { constitution: `${constitution}// changed\n` } },
    ]).json.proposalId;
    service.vote(alice, id);
    service.vote(bob, id);
    expect(stateOf(open)).toBe("Dropped");
    const late = service.vote(carol, open);
    expect(late.json.error).toEqual({
      code: "ProposalNotOpen",
      message:
        `Proposal ${open} is currently in state dropped - ` +
        "only open proposals can receive votes",
    });
    expect(service.get("/service/constitution").text).toMatch(/\/\/ changed\n$/);
  });

  test("a closed proposal goes when another one closes; open ones stay", () => {
    const first = proposeOpen(1);
    const open = proposeOpen(2, bob);
    const second = proposeOpen(3);
    service.withdraw(alice, first);
    service.withdraw(alice, second);
    expect(service.get(`/members/proposals/${first}`).status).toBe(404);
    expect(service.get(`/members/proposals/${first}/actions`).status).toBe(404);
    const ids = service
      .get("/members/proposals")
      .json.value.map((proposal: { proposalId: string }) => proposal.proposalId);
    expect(ids.sort()).toEqual([open, second].sort());
  });
});

describe("ballots", () => {
  test("the same ballot again changes nothing, another one is refused", () => {
    const id = proposeOpen();
    service.vote(alice, id);
    const before = dump(service.store);
    expect(service.vote(alice, id).json.ballotCount).toBe(1);
    expect(dump(service.store)).toEqual(before);
    const other = service.vote(alice, id, "return false");
    expect([other.status, other.json.error.code]).toEqual([400, "VoteAlreadyExists"]);
  });

  test("a ballot that throws is a vote failure, and counts as no vote", () => {
    const id = proposeOpen();
    service.vote(carol, id, "throw new Error('undecided')");
    service.vote(alice, id);
    const { voteFailures, finalVotes, proposalState } = service.vote(bob, id).json;
    expect(proposalState).toBe("Accepted");
    expect(Object.keys(finalVotes).sort()).toEqual([alice.id, bob.id].sort());
    expect(voteFailures[carol.id].reason).toBe("Error: undecided");
  });

  test("only true is a yes", () => {
    const id = proposeOpen();
    service.vote(alice, id, "return 1");
    service.vote(bob, id, "return 'true'");
    expect(service.vote(carol, id).json.proposalState).toBe("Open");
  });

  test("an endless ballot is a vote failure; hostile exceptions do no harm", () => {
    const id = proposeOpen();
    service.impatience = 10;
    service.vote(carol, id, "for (;;) {}");
    service.vote(alice, id, "throw { toString() { for (;;) {} } }");
    const info = service.read((transaction) =>
      governanceTables.proposalInfo.of(transaction).get(id),
    );
    expect(Object.keys(info?.ballots ?? {}).sort()).toEqual([alice.id, carol.id].sort());
    expect(service.vote(bob, id).json.proposalState).toBe("Open");
  });

  test("a ballot reads governance tables, writes nothing, and sees no application table", () => {
    const id = proposeOpen();
    const look = "ccf.kv['public:ccf.gov.members.info'].size === 3";
    expect(service.vote(alice, id, `return ${look}`).status).toBe(200);
    service.vote(bob, id, "ccf.kv['public:ccf.gov.members.info'].clear(); return true");
    service.vote(carol, id, "return ccf.kv['records'].has(ccf.strToBuf('x'))");
    const value = service.get(`/members/proposals/${id}`).json;
    expect(value.proposalState).toBe("Open");
    expect(service.get("/service/members").json.value).toHaveLength(3);
  });

  test.each([
    ["no JavaScript", "this is not js"],
    ["no vote", "export function other() {}"],
    ["throws when loaded", "throw new Error('early'); export function vote() {}"],
  ])("a script that cannot be a ballot is refused: %s", (_, ballot) => {
    const id = proposeOpen();
    const before = dump(service.store);
    const answer = service.ballot(alice, id, ballot);
    expect([answer.status, answer.json.error.code]).toEqual([400, "InvalidInput"]);
    expect(dump(service.store)).toEqual(before);
  });

  test("the signature has to name the proposal and the member of the path", () => {
    const id = proposeOpen();
    const path = `/members/proposals/${id}/ballots/${alice.id}:submit`;
    const payload = { ballot: "export function vote() { return true }" };
    const unbound = service.post(path, alice, { type: "ballot", payload });
    expect(unbound.json.error).toEqual({
      code: "InvalidResourceName",
      message: "Authenticated proposal id does not match URL",
    });
    const foreign = service.post(path, bob, { type: "ballot", payload, proposalId: id });
    expect(foreign.json.error.message).toBe("Authenticated member id does not match URL");
    const empty = service.post(path, alice, { type: "ballot", payload: {}, proposalId: id });
    expect([empty.status, empty.json.error.code]).toEqual([400, "InvalidInput"]);
    const unknown = service.vote(alice, "00".repeat(32));
    expect([unknown.status, unknown.json.error.code]).toEqual([404, "ProposalNotFound"]);
  });

  test("what a member signed last is in the history; the ballot can be read", () => {
    const id = proposeOpen();
    service.vote(alice, id, "return true");
    const history = service.read((transaction) =>
      governanceTables.coseHistory.of(transaction).get(alice.id),
    );
    const message = decodeCoseSign1(history ?? new Uint8Array(0));
    expect(message.protectedHeaders.get("ccf.gov.msg.type")).toBe("ballot");
    const ballot = service.get(`/members/proposals/${id}/ballots/${alice.id}`);
    expect(ballot.headers["content-type"]).toBe("text/javascript");
    expect(ballot.text).toBe("export function vote (p, id) { return true }");
    const missing = service.get(`/members/proposals/${id}/ballots/${bob.id}`);
    expect([missing.status, missing.json.error.code]).toEqual([404, "VoteNotFound"]);
  });
});

describe("submission", () => {
  test("the id binds the proposal to the state and to the signature", () => {
    const payload = { actions: changeData(1) };
    const envelope = sign(alice, { type: "proposal", payload });
    const seqno = service.store.seqno;
    const created = service.send("POST", "/members/proposals:create", envelope);
    const root = crypto.sha256(utf8ToBytes(`root at ${seqno}`));
    const { signature } = decodeCoseSign1(envelope);
    const digest = crypto.sha256(concatBytes(root, crypto.sha256(signature)));
    expect(created.json.proposalId).toBe(bytesToHex(digest));
  });

  test("a replayed proposal is refused by its signature, and names the first", () => {
    const envelope = sign(alice, { type: "proposal", payload: { actions: changeData(1) } });
    const first = service.send("POST", "/members/proposals:create", envelope);
    const before = dump(service.store);
    const again = service.send("POST", "/members/proposals:create", envelope);
    expect(again.json.error).toEqual({
      code: "ProposalReplay",
      message: `Proposal submission replay, already exists as proposal ${first.json.proposalId}`,
    });
    expect(dump(service.store)).toEqual(before);
  });

  test("a proposal older than the median of the window is refused", () => {
    for (const createdAt of [1000, 2000, 3000]) {
      expect(service.propose(alice, changeData(createdAt), createdAt).status).toBe(200);
    }
    const old = service.propose(alice, changeData(1), 1999);
    expect(old.json.error).toEqual({
      code: "ProposalCreatedTooLongAgo",
      message: "Proposal created too long ago, created_at must be greater than 0000002000",
    });
    expect(service.propose(alice, changeData(1), 2000).status).toBe(200);
  });

  test("the window keeps as many proposals as the service is configured for", () => {
    service.write((transaction) => {
      const tables = governanceTables.serviceConfiguration;
      const configuration = tables.get(transaction) ?? { recovery_threshold: 1 };
      tables.set(transaction, { ...configuration, recent_cose_proposals_window_size: 3 });
    });
    for (let createdAt = 1000; createdAt < 1010; createdAt++) {
      expect(service.propose(alice, changeData(createdAt), createdAt).status).toBe(200);
    }
    const keys = service.read((transaction) =>
      governanceTables.coseRecentProposals
        .of(transaction)
        .entries()
        .map(([key]) => key),
    );
    expect(keys.map((key) => key.slice(0, 10))).toEqual(["0000001007", "0000001008", "0000001009"]);
  });

  test.each([
    ["too large", 10_000_000_000, "InvalidCreatedAt"],
    ["missing", null, "InvalidInput"],
    ["negative", -1, "InvalidInput"],
  ])("created_at that is %s is refused", (_, createdAt, code) => {
    const payload = { actions: changeData(1) };
    const options = { type: "proposal", payload, createdAt };
    const answer = service.post("/members/proposals:create", alice, options);
    expect([answer.status, answer.json.error.code]).toEqual([400, code]);
  });

  test.each([
    ["not JSON", utf8ToBytes("not json")],
    ["no actions", utf8ToBytes("{}")],
    ["not UTF-8", new Uint8Array([0xff, 0xfe])],
    ["unknown action", utf8ToBytes('{"actions":[{"name":"fly"}]}')],
    ["action without name", utf8ToBytes('{"actions":[null]}')],
  ])("a proposal that is %s does not validate", (_, raw) => {
    const before = dump(service.store);
    const answer = service.post("/members/proposals:create", alice, { type: "proposal", raw });
    expect([answer.status, answer.json.error.code]).toEqual([400, "ProposalFailedToValidate"]);
    expect(dump(service.store)).toEqual(before);
  });

  test("another message type is refused as unauthenticated", () => {
    const payload = { actions: changeData(1) };
    const answer = service.post("/members/proposals:create", alice, { type: "ballot", payload });
    expect(answer.status).toBe(401);
    expect(answer.headers["www-authenticate"]).toBe('COSE-SIGN1 realm="Signed request access"');
    expect(answer.json.error).toEqual({
      code: "InvalidAuthenticationInfo",
      details: [
        {
          auth_policy: "active_member_cose_sign1",
          code: "InvalidAuthenticationInfo",
          message: "Found ccf.gov.msg.type set to ballot, expected ccf.gov.msg.type to be proposal",
        },
      ],
      message: "Invalid authentication credentials.",
    });
  });

  test("the api version is asked for after the signature", () => {
    const payload = { actions: changeData(1) };
    const path = "/members/proposals:create?x=1";
    const answer = service.post(path, alice, { type: "proposal", payload });
    expect([answer.status, answer.json.error.code]).toEqual([400, "MissingApiVersionParameter"]);
    const wrongType = service.post(path, alice, { type: "ack", payload });
    expect(wrongType.status).toBe(401);
  });

  test.each([
    ["a forged signature", "Failed to validate COSE Sign1"],
    ["a stranger", "Signer is not a known member"],
    ["a member who is not active", "Signer is not an ACTIVE member"],
  ])("%s is refused and changes nothing", (who, message) => {
    const stranger = createTestMember("stranger");
    if (who === "a member who is not active") {
      service.write((transaction) => addMember(transaction, crypto, stranger));
    }
    const signer = who === "a forged signature" ? { ...alice, key: bob.key } : stranger;
    const before = dump(service.store);
    const answer = service.propose(signer, changeData(1));
    expect(answer.status).toBe(401);
    expect(answer.json.error.details[0]).toEqual({
      auth_policy: "active_member_cose_sign1",
      code: "InvalidAuthenticationInfo",
      message,
    });
    expect(dump(service.store)).toEqual(before);
  });
});
