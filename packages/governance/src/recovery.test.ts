import { bytesToBase64 } from "@coco/base";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { governanceErrors } from "./errors.ts";
import { createTestMember, dump, type TestMember, TestService } from "./governance.testing.ts";
import { planRecoveryShares } from "./recovery.ts";
import { beginServiceOpening, markServiceOpen } from "./service-opening.ts";
import type { RecoveryRole } from "./table-values.ts";
import { governanceTables, internalTables } from "./tables.ts";

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
  service.open();
});

function share(x: number, lengthBytes = 44): string {
  const bytes = new Uint8Array(lengthBytes).fill(7);
  bytes.set([x, 0, 0, 0]);
  return bytesToBase64(bytes);
}

function submit(member: TestMember, payload: unknown, pathId = member.id) {
  const path = `/recovery/members/${pathId}:recover`;
  return service.post(path, member, { type: "recovery_share", payload });
}

function setThreshold(recovery_threshold: number): void {
  service.write((transaction) => {
    const configuration = governanceTables.serviceConfiguration.get(transaction)!;
    governanceTables.serviceConfiguration.set(transaction, {
      ...configuration,
      recovery_threshold,
    });
  });
}

describe("submitting recovery shares", () => {
  test("is refused while the service does not wait for them", () => {
    const answer = submit(alice, { share: "AAAA" });
    expect([answer.status, answer.json.error]).toEqual([
      403,
      {
        code: "ServiceNotWaitingForRecoveryShares",
        message: "Service is not waiting for recovery shares.",
      },
    ]);
  });

  test("shares are kept sealed until there are enough", () => {
    service.setStatus("WaitingForRecoveryShares");
    setThreshold(2);
    expect(submit(alice, { share: share(1) }).json).toEqual({
      fullKeySubmitted: false,
      message: "1/2 recovery shares successfully submitted",
      recoveryThreshold: 2,
      submittedCount: 1,
    });
    expect(submit(alice, { share: share(1) }).json.submittedCount).toBe(1);
    expect(service.effects).toEqual([]);
    expect(submit(bob, { share: share(2) }).json.message).toBe(
      "2/2 recovery shares successfully submitted\nEnd of recovery procedure initiated",
    );
    expect(service.effects).toEqual([["recover"]]);
    const stored = dump(service.store)["public:ccf.internal.encrypted_submitted_shares"]!;
    expect(Object.keys(stored).sort()).toEqual([alice.id, bob.id].sort());
    expect(Object.values(stored).join()).not.toContain(share(1).slice(8));
  });

  test("an owner's share is enough alone", () => {
    service.setStatus("WaitingForRecoveryShares");
    setThreshold(2);
    expect(submit(alice, { share: share(0) }).json).toEqual({
      fullKeySubmitted: true,
      message: "Full recovery key successfully submitted\nEnd of recovery procedure initiated",
      recoveryThreshold: 2,
      submittedCount: 1,
    });
  });

  test("shares that do not fit are removed, so that members can submit again", () => {
    service.setStatus("WaitingForRecoveryShares");
    setThreshold(2);
    submit(bob, { share: share(2) });
    service.recoveryFailure = governanceErrors.create("BadRecoveryShare");
    const answer = submit(alice, { share: share(1) });
    expect([answer.status, answer.json.error.code]).toEqual([400, "InvalidInput"]);
    expect(answer.committed?.kind).toBe("committed");
    expect(dump(service.store)["public:ccf.internal.encrypted_submitted_shares"]).toEqual({});
  });

  test("while the private ledger is read no more shares are taken", () => {
    service.setStatus("WaitingForRecoveryShares");
    service.isReadingPrivateLedger = true;
    const answer = submit(alice, { share: share(1) });
    expect([answer.status, answer.json.error.code]).toEqual([403, "NodeAlreadyRecovering"]);
  });

  test.each([
    ["no JSON object", 5],
    ["no share", {}],
    ["no base64", { share: "*" }],
    ["too short", { share: share(1, 43) }],
    ["empty", { share: "" }],
  ])("a share that is %s is refused and nothing is kept", (_, payload) => {
    service.setStatus("WaitingForRecoveryShares");
    const before = dump(service.store);
    const answer = submit(alice, payload);
    expect([answer.status, answer.json.error.code]).toEqual([400, "InvalidInput"]);
    expect(dump(service.store)).toEqual(before);
  });

  test("a member submits only their own share", () => {
    service.setStatus("WaitingForRecoveryShares");
    const answer = submit(alice, { share: share(1) }, bob.id);
    expect([answer.status, answer.json.error.code]).toEqual([400, "InvalidAuthenticationInfo"]);
  });

  test("encrypted shares are read by anyone, for members who have one", () => {
    service.write((transaction) =>
      internalTables.recoveryShares.set(transaction, {
        encrypted_shares: { [alice.id]: "c2hhcmU=" },
        wrapped_latest_ledger_secret: "",
      }),
    );
    expect(service.get(`/recovery/encrypted-shares/${alice.id}`).json).toEqual({
      encryptedShare: "c2hhcmU=",
      memberId: alice.id,
    });
    expect(service.get(`/recovery/encrypted-shares/${bob.id}`).status).toBe(404);
    expect(service.get("/recovery/encrypted-shares/deadbeef").status).toBe(400);
  });
});

describe("who gets which share", () => {
  function plan(roles: readonly RecoveryRole[], threshold: number) {
    const withRoles = members.map((member, index) => ({ ...member, recoveryRole: roles[index]! }));
    service = new TestService(withRoles);
    service.open();
    setThreshold(threshold);
    return service.read(planRecoveryShares);
  }

  test("participants get one each, owners the whole secret", () => {
    const { shareCount, participants, owners, threshold } = plan(["Participant", "Owner"], 1);
    expect([shareCount, threshold]).toEqual([1, 1]);
    expect(participants).toEqual([[alice.id, alice.encryptionPublicKey]]);
    expect(owners).toEqual([[bob.id, bob.encryptionPublicKey]]);
  });

  test("owners alone need the threshold 1", () => {
    expect(plan(["Owner", "Owner"], 1).shareCount).toBe(1);
    expect(() => plan(["Owner", "Owner"], 2)).toThrow(/Too few active recovery members/);
  });

  test("participants have to reach the threshold", () => {
    expect(plan(["Participant", "Participant"], 2).shareCount).toBe(2);
    expect(() => plan(["Participant", "Participant"], 3)).toThrow(/Too few/);
    expect(() => plan(["Participant", "Participant"], 0)).toThrow(/not set/);
  });

  test("members who are not active get none", () => {
    service = new TestService(members);
    expect(() => service.read(planRecoveryShares)).toThrow(/Too few/);
    service.signLedger();
    service.activate(bob);
    expect(service.read(planRecoveryShares).participants).toEqual([
      [bob.id, bob.encryptionPublicKey],
    ]);
  });
});

describe("opening the service", () => {
  const certificate = () => service.get("/service/info").json.certificate;
  const begin = (previous: string | undefined, next: string) =>
    service.write((transaction) => beginServiceOpening(transaction, previous, next));

  test("a new service opens with its own identity, once members hold shares", () => {
    service = new TestService(members);
    expect(() => begin(undefined, alice.certificate)).toThrow(/next identity differs/);
    expect(begin(undefined, certificate())).toBe("open");
    const open = () => service.write(markServiceOpen);
    expect(open).toThrow(/Too few/);
    service.signLedger();
    service.activate(alice);
    open();
    expect(service.get("/service/info").json.status).toBe("Open");
    expect(begin(undefined, "whatever")).toBe("unchanged");
    open();
  });

  test("a recovering service waits for shares, given both identities", () => {
    service.setStatus("Recovering");
    const next = certificate();
    expect(() => begin(undefined, next)).toThrow(/previous and the next/);
    service.write((transaction) =>
      governanceTables.previousServiceIdentity.set(transaction, alice.certificate),
    );
    expect(() => begin(bob.certificate, next)).toThrow(/previous identity differs/);
    expect(() => service.write(markServiceOpen)).toThrow(/have not been submitted/);
    expect(begin(alice.certificate, next)).toBe("waitForRecoveryShares");
    expect(service.get("/service/info").json.status).toBe("WaitingForRecoveryShares");
    expect(begin(undefined, next)).toBe("unchanged");
    service.write(markServiceOpen);
    expect(service.get("/service/info").json.status).toBe("Open");
  });
});
