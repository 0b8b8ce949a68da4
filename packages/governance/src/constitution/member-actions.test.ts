import { generateSigningKey } from "@coco/base/node";
import { beforeEach, describe, expect, test } from "vitest";
import { ActionService } from "../actions.testing.ts";
import { createTestMember, dump, selfSigned } from "../governance.testing.ts";

let service: ActionService;
beforeEach(() => {
  service = new ActionService();
});
const userCertificate = selfSigned("user", generateSigningKey());
const unknownId = "00".repeat(32);
const newcomer = createTestMember("newcomer");

describe("members and users", () => {
  test("set_member adds an accepted member who has to acknowledge", () => {
    service.accept("set_member", {
      cert: newcomer.certificate,
      encryption_pub_key: newcomer.encryptionPublicKey,
      member_data: { team: "a" },
      recovery_role: "Owner",
    });
    expect(service.get(`/service/members/${newcomer.id}`).json).toEqual({
      certificate: newcomer.certificate,
      memberData: { team: "a" },
      memberId: newcomer.id,
      publicEncryptionKey: newcomer.encryptionPublicKey,
      recoveryRole: "Owner",
      status: "Accepted",
    });
    expect(service.table("members.acks")[newcomer.id]).toBe(
      `{"state_digest":"${"5a".repeat(32)}"}`,
    );
    service.activate(newcomer);
    expect(service.effects).toEqual([["refreshShares"]]);
    expect(service.get(`/service/members/${newcomer.id}`).json.status).toBe("Active");
  });

  test("set_member refuses what cannot be a member", () => {
    const cert = newcomer.certificate;
    service.refuseAll("set_member", [
      null,
      {},
      { cert: "not a certificate" },
      { cert, member_data: "text" },
      { cert, recovery_role: "Participant" },
      { cert, encryption_pub_key: newcomer.encryptionPublicKey, recovery_role: "NonParticipant" },
      { cert, encryption_pub_key: newcomer.encryptionPublicKey, recovery_role: "owner" },
      { cert, encryption_pub_key: "not a key" },
      { cert, recovery_rol: "Owner" },
      { cert, encryption_pub_key: newcomer.key.publicPem },
    ]);
  });

  test("remove_member forgets the member, and re-keys when they held a share", () => {
    service.accept("remove_member", { member_id: service.bob.id });
    for (const name of ["info", "certs", "acks", "encryption_public_keys"]) {
      expect(service.table(`members.${name}`)).not.toHaveProperty(service.bob.id);
    }
    expect(service.effects).toEqual([["rekey"]]);
    service.accept("remove_member", { member_id: unknownId });
    service.refuseAll("remove_member", [{}, { member_id: "deadbeef" }, { member_id: 5 }, null]);
  });

  test("the last recovery member cannot go", () => {
    service.accept("remove_member", { member_id: service.bob.id });
    service.refuseAll("remove_member", [{ member_id: service.alice.id }], 500);
  });

  test("set_member_data", () => {
    service.accept("set_member_data", { member_id: service.alice.id, member_data: { a: [1] } });
    expect(service.get(`/service/members/${service.alice.id}`).json.memberData).toEqual({ a: [1] });
    service.refuseAll("set_member_data", [
      {},
      { member_id: service.alice.id },
      { member_id: service.alice.id, member_data: 1 },
    ]);
    service.refuseAll("set_member_data", [{ member_id: unknownId, member_data: {} }], 500);
  });

  test("users come, get data and go", () => {
    service.accept("set_user", { cert: userCertificate, user_data: { admin: true } });
    const { userId } = service.get("/service/users").json.value[0];
    expect(service.get(`/service/users/${userId}`).json).toEqual({
      certificate: userCertificate,
      userData: { user_data: { admin: true } },
      userId,
    });
    service.accept("set_user_data", { user_id: userId, user_data: null });
    expect(service.get(`/service/users/${userId}`).json.userData).toBe(null);
    service.accept("set_user_data", { user_id: userId, user_data: { b: 2 } });
    service.accept("set_user", { cert: userCertificate });
    expect(service.table("users.info")).toEqual({});
    service.accept("remove_user", { user_id: userId });
    expect(service.get("/service/users").json).toEqual({ value: [] });
    service.refuseAll("set_user", [{}, { cert: "x" }, { cert: userCertificate, user_data: [] }]);
    service.refuseAll("remove_user", [{}, { user_id: "deadbeef" }]);
    service.refuseAll("set_user_data", [{}, { user_id: userId, user_data: "x" }]);
  });

  test("set_role_definition replaces the set of actions", () => {
    service.accept("set_role_definition", { role: "auditor", actions: ["read", "read", "list"] });
    service.accept("set_role_definition", { role: "auditor", actions: ["read"] });
    expect(dump(service.store)["public:programmability.roles.auditor"]).toEqual({
      '"read"': "\0".repeat(8),
    });
    service.refuseAll("set_role_definition", [
      {},
      { role: "auditor" },
      { role: "", actions: [] },
      { role: "auditor", actions: [1] },
    ]);
  });
});
