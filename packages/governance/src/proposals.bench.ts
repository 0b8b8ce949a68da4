/**
 * A proposal and its votes, with authentication and the default constitution in the sandbox.
 * Run: npx vitest bench --run packages/governance
 */
import { bench, describe } from "vitest";
import { createTestMember, sign, type TestMember, TestService } from "./governance.testing.ts";

const members = ["alice", "bob", "carol"].map(createTestMember);
const [alice, bob] = members as [TestMember, TestMember];
const service = new TestService(members);
service.open();
let value = 0;

function propose(): string {
  const args = { member_id: alice.id, member_data: { value: value++ } };
  return service.propose(alice, [{ name: "set_member_data", args }]).json.proposalId;
}

describe("three members, majority", () => {
  bench("sign a message (client)", () => {
    sign(alice, { type: "proposal", payload: { actions: [] } });
  });

  bench("sign and create a proposal", () => {
    propose();
  });

  bench("sign and create a proposal, two ballots, apply", () => {
    const proposalId = propose();
    service.vote(alice, proposalId);
    service.vote(bob, proposalId);
  });
});
