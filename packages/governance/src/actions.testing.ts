/** Proposes single actions to a service whose constitution accepts everything at once. */
import { expect } from "vitest";
import { sandboxConstitution } from "./constitution/constitutions.ts";
import {
  createTestMember,
  dump,
  type TestAnswer,
  type TestMember,
  TestService,
} from "./governance.testing.ts";

const members = ["alice", "bob"].map(createTestMember);

export class ActionService extends TestService {
  readonly alice: TestMember;
  readonly bob: TestMember;

  constructor(constitution = sandboxConstitution) {
    super(members, constitution);
    const [alice, bob] = members as [TestMember, TestMember];
    this.alice = alice;
    this.bob = bob;
    this.open();
  }

  run(name: string, args?: unknown): TestAnswer {
    return this.propose(this.alice, [{ name, args }]);
  }

  accept(name: string, args?: unknown): void {
    expect(this.run(name, args).text).toContain('"proposalState":"Accepted"');
  }

  /** Arguments that do not validate (400), or that validate but cannot be applied (500). */
  refuseAll(name: string, argumentList: readonly unknown[], status = 400): void {
    for (const args of argumentList) {
      const before = dump(this.store);
      const answer = this.run(name, args);
      const shown = JSON.stringify(args);
      expect([name, shown, answer.status]).toEqual([name, shown, status]);
      expect(dump(this.store)).toEqual(before);
    }
  }

  /** Rows of a table under `public:ccf.gov.` */
  table(name: string): Record<string, string> {
    return dump(this.store)[`public:ccf.gov.${name}`] ?? {};
  }
}
