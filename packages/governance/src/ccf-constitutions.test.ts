/**
 * CCF's own sample constitutions run unmodified. They are read from a checkout of CCF that
 * COCO_CCF_SOURCE names; nothing of them is in this project.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { concatenateConstitution } from "./constitution/constitutions.ts";
import {
  createTestMember,
  selfSigned,
  type TestMember,
  TestService,
  testNodeId,
} from "./governance.testing.ts";
import { governanceTables } from "./tables.ts";

const source = process.env["COCO_CCF_SOURCE"];
const samples = join(source ?? "", "samples/constitutions");
const isThere = source !== undefined && existsSync(samples);
if (!isThere) console.warn("SKIPPED: CCF's sample constitutions (set COCO_CCF_SOURCE)");

const common = ["default/actions.js", "default/validate.js", "default/apply.js"];
const addOns = ["virtual/virtual_attestation_actions.js", "roles/set_role_definition.js"];

function read(...files: readonly string[]): string {
  return concatenateConstitution(files.map((file) => readFileSync(join(samples, file), "utf8")));
}

type Case = readonly [name: string, args: unknown];

const valid_from = "20261120000000Z";
const node_id = testNodeId;

function memberCases({ id, certificate, encryptionPublicKey }: TestMember): readonly Case[] {
  return [
    ["set_member", { cert: certificate, encryption_pub_key: encryptionPublicKey }],
    ["set_member_data", { member_id: id, member_data: {} }],
    ["remove_member", { member_id: id }],
    ["set_user", { cert: certificate, user_data: { a: 1 } }],
    ["set_user_data", { user_id: id, user_data: null }],
    ["remove_user", { user_id: id }],
    ["set_role_definition", { role: "r", actions: ["a"] }],
  ];
}

function applicationCases(cert: string): readonly Case[] {
  const endpoint = {
    js_module: "m.js",
    js_function: "f",
    mode: "readonly",
    forwarding_required: "sometimes",
    authn_policies: ["no_auth"],
  };
  const bundle = {
    metadata: { endpoints: { "/x": { get: endpoint } } },
    modules: [{ name: "m.js", module: "export function f() {}" }],
  };
  const issuer = "https://issuer.example.com";
  const der = cert.replace(/-----[A-Z ]+-----|\n/g, "");
  const jwks = { keys: [{ kid: "k", kty: "EC", x5c: [der] }] };
  const options = { max_heap_bytes: 1, max_stack_bytes: 1, max_execution_time_ms: 1 };
  return [
    ["set_js_app", { bundle }],
    ["refresh_js_app_bytecode_cache", null],
    ["remove_js_app", null],
    ["set_js_runtime_options", options],
    ["set_ca_cert_bundle", { name: "ca", cert_bundle: cert }],
    ["set_jwt_issuer", { issuer, auto_refresh: true, ca_cert_bundle_name: "ca", jwks }],
    ["set_jwt_public_signing_keys", { issuer, jwks }],
    ["remove_jwt_issuer", { issuer }],
    ["remove_ca_cert_bundle", { name: "ca" }],
    ["cleanup_legacy_jwt_records", {}],
  ];
}

function nodeCases(): readonly Case[] {
  const tcb_version = { boot_loader: 1, tee: 0, snp: 2, microcode: 3 };
  const cpuid = "00a00f11";
  return [
    ["add_node_code", { code_id: "a" }],
    ["remove_node_code", { code_id: "a" }],
    ["add_snp_measurement", { measurement: "a" }],
    ["remove_snp_measurement", { measurement: "a" }],
    ["add_snp_uvm_endorsement", { did: "d", feed: "f", svn: "1" }],
    ["remove_snp_uvm_endorsement", { did: "d", feed: "f" }],
    ["add_snp_host_data", { host_data: "a", security_policy: "" }],
    ["remove_snp_host_data", { host_data: "a" }],
    ["set_snp_minimum_tcb_version", { cpuid, tcb_version }],
    ["set_snp_minimum_tcb_version_hex", { cpuid, tcb_version: "d3".repeat(8) }],
    ["remove_snp_minimum_tcb_version", { cpuid }],
    ["add_virtual_measurement", { measurement: "a" }],
    ["remove_virtual_measurement", { measurement: "a" }],
    ["add_virtual_host_data", { host_data: "a" }],
    ["remove_virtual_host_data", { host_data: "a" }],
    ["set_node_data", { node_id, node_data: {} }],
    ["set_node_certificate_validity", { node_id, valid_from }],
    ["set_all_nodes_certificate_validity", { valid_from, validity_period_days: 2 }],
    ["transition_node_to_trusted", { node_id, valid_from }],
    ["remove_node", { node_id }],
  ];
}

function serviceCases(identity: string): readonly Case[] {
  return [
    ["set_recovery_threshold", { recovery_threshold: 2 }],
    ["trigger_recovery_shares_refresh", null],
    ["trigger_ledger_rekey", null],
    ["trigger_ledger_chunk", null],
    ["trigger_snapshot", null],
    ["transition_service_to_open", { next_service_identity: identity }],
    ["set_service_configuration", { recent_cose_proposals_window_size: 5 }],
    ["assert_service_identity", { service_identity: identity }],
    ["set_service_certificate_validity", { valid_from }],
    ["set_constitution", { constitution: read(...common, "default/resolve.js") }],
  ];
}

describe.skipIf(!isThere)("CCF's sample constitutions", () => {
  let members: readonly TestMember[];
  let alice: TestMember;
  let bob: TestMember;
  let carol: TestMember;
  beforeAll(() => {
    members = ["alice", "bob", "carol"].map(createTestMember);
    [alice, bob, carol] = members as [TestMember, TestMember, TestMember];
  });

  function start(...files: readonly string[]): TestService {
    const service = new TestService(members, read(...files));
    service.open();
    return service;
  }

  test("default: a majority accepts", () => {
    const service = start(...common, "default/resolve.js");
    const args = { member_id: alice.id, member_data: { x: 1 } };
    const { proposalId } = service.propose(bob, [{ name: "set_member_data", args }]).json;
    expect(service.vote(alice, proposalId).json.proposalState).toBe("Open");
    expect(service.vote(carol, proposalId).json.proposalState).toBe("Accepted");
    expect(service.get(`/service/members/${alice.id}`).json.memberData).toEqual({ x: 1 });
  });

  test("veto: one no rejects", () => {
    const service = start(...common, "veto/resolve.js");
    const { proposalId } = service.propose(bob, []).json;
    expect(service.vote(alice, proposalId, "return false").json.proposalState).toBe("Rejected");
  });

  test("sandbox with the add-ons: every action validates and applies", () => {
    const service = start(...common, ...addOns, "sandbox/resolve.js");
    const newcomer = createTestMember("newcomer");
    const identity = service.get("/service/info").json.certificate;
    const cases = [
      ...memberCases(newcomer),
      ...applicationCases(newcomer.certificate),
      ...nodeCases(),
      ...serviceCases(identity),
    ];
    for (const [name, args] of cases) {
      const answer = service.propose(alice, [{ name, args }]);
      expect(`${name}: ${answer.text}`).toContain('"proposalState":"Accepted"');
    }
  });

  test("test: decides by the action, the proposer's data and the proposal id", () => {
    const service = start(...common, "test/test_actions.js", "test/resolve.js");
    const propose = (name: string) => service.propose(alice, [{ name }]);
    expect(propose("always_accept_noop").json.proposalState).toBe("Accepted");
    expect(propose("always_reject_noop").json.proposalState).toBe("Rejected");
    expect(propose("check_proposal_id_is_set_correctly").json.proposalState).toBe("Accepted");
    const thrown = propose("always_throw_in_apply");
    expect(thrown.status).toBe(500);
    expect(thrown.json.error.message).toMatch(/^Failed to apply\(\): Error: Error message/);
    expect(propose("always_throw_in_resolve").json.error.message).toMatch(
      /^Failed to resolve\(\): Error: Resolve message/,
    );
    const { proposalId } = propose("always_reject_with_two_votes").json;
    service.vote(alice, proposalId, "return false");
    expect(service.vote(bob, proposalId, "return false").json.proposalState).toBe("Rejected");
    const pem = { name: "valid_pem", args: { pem: selfSigned("x", alice.key) } };
    expect(service.propose(alice, [pem]).status).toBe(200);
  });

  test("operator: members who are marked so may add others like them alone", () => {
    const operator = createTestMember("operator");
    const service = start(...common, "operator/resolve.js");
    service.write((transaction) => {
      governanceTables.memberCerts.of(transaction).set(operator.id, operator.certificate);
      governanceTables.memberInfo
        .of(transaction)
        .set(operator.id, { member_data: { is_operator: true }, status: "Active" });
    });
    const colleague = {
      cert: createTestMember("colleague").certificate,
      member_data: { is_operator: true },
    };
    const added = service.propose(operator, [{ name: "set_member", args: colleague }]);
    expect(added.json.proposalState).toBe("Accepted");
    const args = { node_id: testNodeId };
    const removed = service.propose(operator, [{ name: "remove_node", args }]);
    expect(removed.json.proposalState).toBe("Open");
    const member = service.propose(alice, [{ name: "remove_node", args }]).json;
    expect(service.vote(alice, member.proposalId).json.proposalState).toBe("Open");
    expect(service.vote(bob, member.proposalId).json.proposalState).toBe("Accepted");
  });

  test("operator_provisioner: its use of an undeclared name is an error", () => {
    const service = start(...common, "operator_provisioner/resolve.js");
    const answer = service.propose(alice, []);
    expect([answer.status, answer.json.error.code]).toEqual([500, "InternalError"]);
    expect(answer.json.error.message).toMatch(/^Failed to resolve\(\): ReferenceError/);
  });
});
