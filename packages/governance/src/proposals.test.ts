import { beforeEach, describe, expect, test } from "vitest";
import { createTestMember, dump, sign, TestService } from "./governance.testing.ts";

const members = ["alice", "bob", "carol"].map(createTestMember);
const [alice, bob, carol] = members as [
  (typeof members)[0],
  (typeof members)[0],
  (typeof members)[0],
];

const changeData = (value: number) => [
  { name: "set_member_data", args: { member_id: alice.id, member_data: { value } } },
];

let service: TestService;
beforeEach(() => {
  service = new TestService(members);
  service.open();
});

describe("the life of a proposal among three members", () => {
  test("open, one vote, accepted by the second: applied, votes final", () => {
    const created = service.propose(alice, changeData(1));
    expect(created.status).toBe(200);
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
});
