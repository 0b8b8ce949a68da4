import { generateSigningKey } from "@coco/base/node";
import { beforeEach, describe, expect, test } from "vitest";
import { ActionService } from "../actions.testing.ts";
import { selfSigned } from "../governance.testing.ts";
import { governanceTables } from "../tables.ts";
import { defaultConstitution } from "./constitutions.ts";

let service: ActionService;
beforeEach(() => {
  service = new ActionService();
});
const userCertificate = selfSigned("user", generateSigningKey());

describe("service", () => {
  test("set_constitution", () => {
    service.accept("set_constitution", { constitution: defaultConstitution });
    expect(service.get("/service/constitution").text).toBe(defaultConstitution);
    service.refuseAll("set_constitution", [{}, { constitution: 1 }, { constitution: "" }]);
  });

  test("the recovery threshold stays within the recovery members", () => {
    service.accept("set_recovery_threshold", { recovery_threshold: 2 });
    expect(service.effects).toEqual([["refreshShares"]]);
    service.accept("set_recovery_threshold", { recovery_threshold: 2 });
    expect(service.effects).toHaveLength(1);
    service.refuseAll("set_recovery_threshold", [
      {},
      { recovery_threshold: 0 },
      { recovery_threshold: 255 },
      { recovery_threshold: 1.5 },
      { recovery_threshold: "1" },
    ]);
    service.refuseAll("set_recovery_threshold", [{ recovery_threshold: 3 }], 500);
  });

  test("set_service_configuration", () => {
    service.accept("set_service_configuration", {
      recent_cose_proposals_window_size: 50,
      reconfiguration_type: "TwoTransaction",
    });
    expect(service.get("/service/info").json.configuration).toEqual({
      maximumNodeCertificateValidityDays: 365,
      maximumServiceCertificateValidityDays: 365,
      recentCoseProposalsWindowSize: 50,
      recoveryThreshold: 1,
    });
    service.refuseAll("set_service_configuration", [
      { recovery_threshold: 300 },
      { recent_cose_proposals_window_size: 0 },
      { recent_cose_proposals_window_size: 10_001 },
      { maximum_node_certificate_validity_days: 7 },
      { reconfiguration_type: "Other" },
    ]);
    service.refuseAll(
      "set_service_configuration",
      [{ reconfiguration_type: "OneTransaction" }],
      500,
    );
  });

  test.each([
    ["trigger_recovery_shares_refresh", "refreshShares"],
    ["trigger_ledger_rekey", "rekey"],
    ["trigger_ledger_chunk", "chunk"],
    ["trigger_snapshot", "snapshot"],
  ])("%s takes no arguments", (name, effect) => {
    service.accept(name, null);
    service.accept(name, {});
    service.accept(name);
    expect(service.effects).toEqual([[effect], [effect], [effect]]);
    service.refuseAll(name, [{ x: 1 }, [], "now", 1]);
  });

  test("transition_service_to_open hands both identities to the node", () => {
    const next_service_identity = service.get("/service/info").json.certificate;
    service.accept("transition_service_to_open", { next_service_identity });
    const previous_service_identity = userCertificate;
    service.accept("transition_service_to_open", {
      next_service_identity,
      previous_service_identity,
    });
    expect(service.effects).toEqual([
      ["open", undefined, next_service_identity],
      ["open", previous_service_identity, next_service_identity],
    ]);
    service.refuseAll("transition_service_to_open", [
      {},
      { next_service_identity: "x" },
      { next_service_identity, previous_service_identity: "x" },
    ]);
    service.write((transaction) => {
      const info = governanceTables.serviceInfo.get(transaction)!;
      governanceTables.serviceInfo.set(transaction, { ...info, status: "Recovering" });
    });
    service.refuseAll("transition_service_to_open", [{ next_service_identity }], 500);
  });

  test("set_service_certificate_validity stores the renewed certificate", () => {
    service.accept("set_service_certificate_validity", { valid_from: "20261120000000Z" });
    expect(service.effects).toEqual([["renew", "20261120000000Z", 365]]);
    expect(service.get("/service/info").json.certificate).toBe("renewed certificate");
    const valid_from = "20261120000000Z";
    service.refuseAll("set_service_certificate_validity", [
      {},
      { valid_from, validity_period_days: 0 },
    ]);
    service.refuseAll(
      "set_service_certificate_validity",
      [{ valid_from, validity_period_days: 366 }],
      500,
    );
  });

  test("assert_service_identity lets only proposals for this service pass", () => {
    const service_identity = service.get("/service/info").json.certificate;
    service.accept("assert_service_identity", { service_identity });
    service.refuseAll("assert_service_identity", [{}, { service_identity: userCertificate }]);
  });
});
