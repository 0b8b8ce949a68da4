import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { ActionService } from "../actions.testing.ts";
import { testNodeId } from "../governance.testing.ts";
import { governanceTables } from "../tables.ts";
import { defaultConstitution } from "./constitutions.ts";

let service: ActionService;
beforeEach(() => {
  service = new ActionService();
});
const unknownId = "00".repeat(32);

describe("nodes and their code", () => {
  const valid_from = "20261120000000Z";

  function addPendingNode(id: string): void {
    service.write((transaction) => {
      const nodes = governanceTables.nodeInfo.of(transaction);
      nodes.set(id, { ...nodes.get(testNodeId)!, status: "Pending" });
    });
  }

  test("transition_node_to_trusted endorses the node", () => {
    const pending = "aa".repeat(32);
    addPendingNode(pending);
    service.accept("transition_node_to_trusted", {
      node_id: pending,
      valid_from,
      validity_period_days: 30,
    });
    expect(service.effects).toEqual([["endorse", "request", valid_from, 30]]);
    const node = service.get(`/service/nodes/${pending}`).json;
    expect([node.status, node.certificate]).toEqual(["Trusted", "endorsed certificate"]);
    expect(JSON.parse(service.table("nodes.info")[pending]!).ledger_secret_seqno).toBe(17);
    service.accept("transition_node_to_trusted", { node_id: pending, valid_from });
    expect(service.effects).toHaveLength(1);
    service.refuseAll("transition_node_to_trusted", [
      {},
      { node_id: pending },
      { node_id: "x", valid_from },
      { node_id: pending, valid_from, validity_period_days: 0 },
      { node_id: pending, valid_from, validity_period_days: 1.5 },
    ]);
    addPendingNode(pending);
    service.refuseAll(
      "transition_node_to_trusted",
      [
        { node_id: unknownId, valid_from },
        { node_id: pending, valid_from, validity_period_days: 366 },
      ],
      500,
    );
  });

  test("remove_node deletes a pending node and retires a trusted one", () => {
    const pending = "aa".repeat(32);
    addPendingNode(pending);
    service.accept("remove_node", { node_id: pending });
    service.accept("remove_node", { node_id: testNodeId });
    service.accept("remove_node", { node_id: unknownId });
    expect(service.get("/service/nodes").json.value).toHaveLength(1);
    expect(service.get(`/service/nodes/${testNodeId}`).json.status).toBe("Retired");
    service.refuseAll("remove_node", [{}, { node_id: "x" }]);
  });

  test("certificates of nodes are renewed one by one or all together", () => {
    service.accept("set_node_certificate_validity", { node_id: testNodeId, valid_from });
    service.accept("set_all_nodes_certificate_validity", { valid_from, validity_period_days: 2 });
    expect(service.effects).toEqual([
      ["endorse", "request", valid_from, 365],
      ["endorse", "request", valid_from, 2],
    ]);
    const pending = "aa".repeat(32);
    addPendingNode(pending);
    service.refuseAll("set_node_certificate_validity", [{}, { node_id: testNodeId }]);
    service.refuseAll(
      "set_node_certificate_validity",
      [
        { node_id: pending, valid_from },
        { node_id: unknownId, valid_from },
      ],
      500,
    );
    service.refuseAll("set_all_nodes_certificate_validity", [
      {},
      { valid_from, validity_period_days: -1 },
    ]);
    service.refuseAll(
      "set_all_nodes_certificate_validity",
      [{ valid_from, validity_period_days: 400 }],
      500,
    );
  });

  test("set_node_data", () => {
    service.accept("set_node_data", { node_id: testNodeId, node_data: { zone: 1 } });
    expect(service.get(`/service/nodes/${testNodeId}`).json.nodeData).toEqual({ zone: 1 });
    service.refuseAll("set_node_data", [{}, { node_id: "x", node_data: {} }]);
    service.refuseAll("set_node_data", [{ node_id: unknownId, node_data: {} }], 500);
  });

  test.each([
    ["node_code", "code_id", "nodes.code_ids"],
    ["snp_measurement", "measurement", "nodes.snp.measurements"],
    ["virtual_measurement", "measurement", "nodes.virtual.measurements"],
  ])("add_ and remove_%s", (suffix, argument, name) => {
    service.accept(`add_${suffix}`, { [argument]: "abc" });
    expect(service.table(name)["abc"]).toBe('"AllowedToJoin"');
    service.accept(`remove_${suffix}`, { [argument]: "abc" });
    expect(service.table(name)).not.toHaveProperty("abc");
    service.refuseAll(`add_${suffix}`, [{}, { [argument]: 1 }, { [argument]: "" }]);
    service.refuseAll(`remove_${suffix}`, [{}, { [argument]: 1 }]);
  });

  test("host data of virtual nodes", () => {
    service.accept("add_virtual_host_data", { host_data: "cd".repeat(32) });
    expect(service.table("nodes.virtual.host_data")["cd".repeat(32)]).toBe("\0".repeat(8));
    service.accept("remove_virtual_host_data", { host_data: "cd".repeat(32) });
    expect(service.get("/service/join-policy").json.virtual.hostData).toEqual(["ab".repeat(32)]);
    service.refuseAll("add_virtual_host_data", [{}, { host_data: 1 }]);
    service.refuseAll("remove_virtual_host_data", [{}, { host_data: 1 }]);
  });

  test("host data of SNP nodes is the digest of its policy", () => {
    const security_policy = "package policy";
    const host_data = createHash("sha256").update(security_policy).digest("hex");
    service.accept("add_snp_host_data", { host_data, security_policy });
    service.accept("add_snp_host_data", { host_data: "ee".repeat(32), security_policy: "" });
    expect(service.get("/service/join-policy").json.snp.hostData).toEqual({
      [host_data]: security_policy,
      ["ee".repeat(32)]: "",
    });
    service.accept("remove_snp_host_data", { host_data });
    expect(service.table("nodes.snp.host_data")).not.toHaveProperty(host_data);
    service.refuseAll("add_snp_host_data", [
      {},
      { host_data, security_policy: "other" },
      { host_data: "zz", security_policy: "" },
      { host_data },
    ]);
    service.refuseAll("remove_snp_host_data", [{}, { host_data: 1 }]);
  });

  test("endorsements of utility VMs", () => {
    const did = "did:x509:0:sha256:x";
    service.accept("add_snp_uvm_endorsement", { did, feed: "f1", svn: "1" });
    service.accept("add_snp_uvm_endorsement", { did, feed: "f2", svn: "2" });
    expect(service.get("/service/join-policy").json.snp.uvmEndorsements).toEqual({
      [did]: { f1: { svn: "1" }, f2: { svn: "2" } },
    });
    service.accept("remove_snp_uvm_endorsement", { did, feed: "f1" });
    expect(service.table("nodes.snp.uvm_endorsements")[did]).toBe('{"f2":{"svn":"2"}}');
    service.accept("remove_snp_uvm_endorsement", { did, feed: "f2" });
    expect(service.table("nodes.snp.uvm_endorsements")).toEqual({});
    service.refuseAll("add_snp_uvm_endorsement", [
      {},
      { did, feed: "f1" },
      { did, feed: "f1", svn: 1 },
    ]);
    service.refuseAll("remove_snp_uvm_endorsement", [{}, { did }]);
  });

  test("minimum versions of the trusted computing base", () => {
    const cpuid = "00a00f11";
    const tcb_version = { boot_loader: 4, tee: 0, snp: 24, microcode: 219 };
    service.accept("set_snp_minimum_tcb_version", { cpuid, tcb_version });
    expect(service.get("/service/join-policy").json.snp.tcbVersions).toEqual({
      [cpuid]: tcb_version,
    });
    service.accept("set_snp_minimum_tcb_version_hex", { cpuid, tcb_version: "d315000000000004" });
    expect(JSON.parse(service.table("nodes.snp.tcb_versions")[cpuid]!).hexstring).toBe(
      "d315000000000004",
    );
    service.accept("remove_snp_minimum_tcb_version", { cpuid });
    service.refuseAll("remove_snp_minimum_tcb_version", [{ cpuid }], 500);
    service.refuseAll("remove_snp_minimum_tcb_version", [{}, { cpuid: "x" }]);
    service.refuseAll("set_snp_minimum_tcb_version", [
      {},
      { cpuid },
      { cpuid: "00A00F11", tcb_version },
      { cpuid, tcb_version: { ...tcb_version, snp: 256 } },
      { cpuid, tcb_version: { ...tcb_version, other: 1 } },
      { cpuid, tcb_version: { snp: 1 } },
    ]);
    service.refuseAll("set_snp_minimum_tcb_version_hex", [
      {},
      { cpuid, tcb_version: "d3" },
      { cpuid, tcb_version: "D315000000000004" },
    ]);
  });

  test("adding trusted code drops open proposals, removing it does not", () => {
    service = new ActionService(defaultConstitution);
    const action = { name: "remove_virtual_host_data", args: { host_data: "x" } };
    const open = service.propose(service.bob, [action]).json.proposalId;
    const pass = (actions: unknown) => {
      const { proposalId } = service.propose(service.alice, actions).json;
      service.vote(service.alice, proposalId);
      return service.vote(service.bob, proposalId).json.proposalState;
    };
    const stateOfOpen = () => service.get(`/members/proposals/${open}`).json.proposalState;
    expect(pass([action])).toBe("Accepted");
    expect(stateOfOpen()).toBe("Open");
    expect(pass([{ name: "add_virtual_host_data", args: { host_data: "x" } }])).toBe("Accepted");
    expect(stateOfOpen()).toBe("Dropped");
  });
});
