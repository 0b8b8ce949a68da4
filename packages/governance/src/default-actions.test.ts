import { createHash } from "node:crypto";
import { bytesToBase64, pemToDer, utf8ToBytes } from "@coco/base";
import { generateSigningKey } from "@coco/base/node";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { defaultConstitution, sandboxConstitution } from "./constitution/constitutions.ts";
import {
  createTestMember,
  dump,
  selfSigned,
  type TestMember,
  TestService,
  testNodeId,
} from "./governance.testing.ts";
import { governanceTables } from "./tables.ts";

let members: readonly TestMember[];
let alice: TestMember;
let bob: TestMember;
let newcomer: TestMember;
let userCertificate: string;
let service: TestService;
const nodeId = testNodeId;
const unknownId = "00".repeat(32);

beforeAll(() => {
  members = ["alice", "bob"].map(createTestMember);
  [alice, bob] = members as [TestMember, TestMember];
  newcomer = createTestMember("newcomer");
  userCertificate = selfSigned("user", generateSigningKey());
});

beforeEach(() => {
  service = new TestService(members, sandboxConstitution);
  service.open();
  service.effects.length = 0;
});

function run(name: string, args?: unknown) {
  return service.propose(alice, [{ name, args }]);
}

function accept(name: string, args?: unknown): void {
  const answer = run(name, args);
  expect(answer.text).toContain('"proposalState":"Accepted"');
}

/** Arguments that do not validate, and arguments that validate but cannot be applied. */
function refuseAll(name: string, argumentList: readonly unknown[], status = 400): void {
  for (const args of argumentList) {
    const before = dump(service.store);
    const answer = run(name, args);
    expect([name, JSON.stringify(args), answer.status]).toEqual([
      name,
      JSON.stringify(args),
      status,
    ]);
    expect(dump(service.store)).toEqual(before);
  }
}

const table = (name: string) => dump(service.store)[`public:ccf.gov.${name}`] ?? {};

describe("members and users", () => {
  test("set_member adds an accepted member who has to acknowledge", () => {
    accept("set_member", {
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
    expect(table("members.acks")[newcomer.id]).toBe(`{"state_digest":"${"5a".repeat(32)}"}`);
    service.activate(newcomer);
    expect(service.effects).toEqual([["refreshShares"]]);
    expect(service.get(`/service/members/${newcomer.id}`).json.status).toBe("Active");
  });

  test("set_member refuses what cannot be a member", () => {
    const cert = newcomer.certificate;
    refuseAll("set_member", [
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
    accept("remove_member", { member_id: bob.id });
    for (const name of ["info", "certs", "acks", "encryption_public_keys"]) {
      expect(table(`members.${name}`)).not.toHaveProperty(bob.id);
    }
    expect(service.effects).toEqual([["rekey"]]);
    accept("remove_member", { member_id: unknownId });
    refuseAll("remove_member", [{}, { member_id: "deadbeef" }, { member_id: 5 }, null]);
  });

  test("the last recovery member cannot go", () => {
    accept("remove_member", { member_id: bob.id });
    refuseAll("remove_member", [{ member_id: alice.id }], 500);
  });

  test("set_member_data", () => {
    accept("set_member_data", { member_id: alice.id, member_data: { a: [1] } });
    expect(service.get(`/service/members/${alice.id}`).json.memberData).toEqual({ a: [1] });
    refuseAll("set_member_data", [
      {},
      { member_id: alice.id },
      { member_id: alice.id, member_data: 1 },
    ]);
    refuseAll("set_member_data", [{ member_id: unknownId, member_data: {} }], 500);
  });

  test("users come, get data and go", () => {
    accept("set_user", { cert: userCertificate, user_data: { admin: true } });
    const { userId } = service.get("/service/users").json.value[0];
    expect(service.get(`/service/users/${userId}`).json).toEqual({
      certificate: userCertificate,
      userData: { user_data: { admin: true } },
      userId,
    });
    accept("set_user_data", { user_id: userId, user_data: null });
    expect(service.get(`/service/users/${userId}`).json.userData).toBe(null);
    accept("set_user_data", { user_id: userId, user_data: { b: 2 } });
    accept("set_user", { cert: userCertificate });
    expect(table("users.info")).toEqual({});
    accept("remove_user", { user_id: userId });
    expect(service.get("/service/users").json).toEqual({ value: [] });
    refuseAll("set_user", [{}, { cert: "x" }, { cert: userCertificate, user_data: [] }]);
    refuseAll("remove_user", [{}, { user_id: "deadbeef" }]);
    refuseAll("set_user_data", [{}, { user_id: userId, user_data: "x" }]);
  });

  test("set_role_definition replaces the set of actions", () => {
    accept("set_role_definition", { role: "auditor", actions: ["read", "read", "list"] });
    accept("set_role_definition", { role: "auditor", actions: ["read"] });
    expect(dump(service.store)["public:programmability.roles.auditor"]).toEqual({
      '"read"': "\0".repeat(8),
    });
    refuseAll("set_role_definition", [
      {},
      { role: "auditor" },
      { role: "", actions: [] },
      { role: "auditor", actions: [1] },
    ]);
  });
});

describe("service", () => {
  test("set_constitution", () => {
    accept("set_constitution", { constitution: defaultConstitution });
    expect(service.get("/service/constitution").text).toBe(defaultConstitution);
    refuseAll("set_constitution", [{}, { constitution: 1 }, { constitution: "" }]);
  });

  test("the recovery threshold stays within the recovery members", () => {
    accept("set_recovery_threshold", { recovery_threshold: 2 });
    expect(service.effects).toEqual([["refreshShares"]]);
    accept("set_recovery_threshold", { recovery_threshold: 2 });
    expect(service.effects).toHaveLength(1);
    refuseAll("set_recovery_threshold", [
      {},
      { recovery_threshold: 0 },
      { recovery_threshold: 255 },
      { recovery_threshold: 1.5 },
      { recovery_threshold: "1" },
    ]);
    refuseAll("set_recovery_threshold", [{ recovery_threshold: 3 }], 500);
  });

  test("set_service_configuration", () => {
    accept("set_service_configuration", {
      recent_cose_proposals_window_size: 50,
      reconfiguration_type: "TwoTransaction",
    });
    expect(service.get("/service/info").json.configuration).toEqual({
      maximumNodeCertificateValidityDays: 365,
      maximumServiceCertificateValidityDays: 365,
      recentCoseProposalsWindowSize: 50,
      recoveryThreshold: 1,
    });
    refuseAll("set_service_configuration", [
      { recovery_threshold: 300 },
      { recent_cose_proposals_window_size: 0 },
      { recent_cose_proposals_window_size: 10_001 },
      { maximum_node_certificate_validity_days: 7 },
      { reconfiguration_type: "Other" },
    ]);
    refuseAll("set_service_configuration", [{ reconfiguration_type: "OneTransaction" }], 500);
  });

  test.each([
    ["trigger_recovery_shares_refresh", "refreshShares"],
    ["trigger_ledger_rekey", "rekey"],
    ["trigger_ledger_chunk", "chunk"],
    ["trigger_snapshot", "snapshot"],
  ])("%s takes no arguments", (name, effect) => {
    accept(name, null);
    accept(name, {});
    accept(name);
    expect(service.effects).toEqual([[effect], [effect], [effect]]);
    refuseAll(name, [{ x: 1 }, [], "now", 1]);
  });

  test("transition_service_to_open hands both identities to the node", () => {
    const next_service_identity = service.get("/service/info").json.certificate;
    accept("transition_service_to_open", { next_service_identity });
    const previous_service_identity = userCertificate;
    accept("transition_service_to_open", { next_service_identity, previous_service_identity });
    expect(service.effects).toEqual([
      ["open", undefined, next_service_identity],
      ["open", previous_service_identity, next_service_identity],
    ]);
    refuseAll("transition_service_to_open", [
      {},
      { next_service_identity: "x" },
      { next_service_identity, previous_service_identity: "x" },
    ]);
    service.write((transaction) => {
      const info = governanceTables.serviceInfo.get(transaction)!;
      governanceTables.serviceInfo.set(transaction, { ...info, status: "Recovering" });
    });
    refuseAll("transition_service_to_open", [{ next_service_identity }], 500);
  });

  test("set_service_certificate_validity stores the renewed certificate", () => {
    accept("set_service_certificate_validity", { valid_from: "20261120000000Z" });
    expect(service.effects).toEqual([["renew", "20261120000000Z", 365]]);
    expect(service.get("/service/info").json.certificate).toBe("renewed certificate");
    const valid_from = "20261120000000Z";
    refuseAll("set_service_certificate_validity", [{}, { valid_from, validity_period_days: 0 }]);
    refuseAll("set_service_certificate_validity", [{ valid_from, validity_period_days: 366 }], 500);
  });

  test("assert_service_identity lets only proposals for this service pass", () => {
    const service_identity = service.get("/service/info").json.certificate;
    accept("assert_service_identity", { service_identity });
    refuseAll("assert_service_identity", [{}, { service_identity: userCertificate }]);
  });
});

describe("nodes and their code", () => {
  const valid_from = "20261120000000Z";

  function addPendingNode(id: string): void {
    service.write((transaction) => {
      const nodes = governanceTables.nodeInfo.of(transaction);
      nodes.set(id, { ...nodes.get(nodeId)!, status: "Pending" });
    });
  }

  test("transition_node_to_trusted endorses the node", () => {
    const pending = "aa".repeat(32);
    addPendingNode(pending);
    accept("transition_node_to_trusted", {
      node_id: pending,
      valid_from,
      validity_period_days: 30,
    });
    expect(service.effects).toEqual([["endorse", "request", valid_from, 30]]);
    const node = service.get(`/service/nodes/${pending}`).json;
    expect([node.status, node.certificate]).toEqual(["Trusted", "endorsed certificate"]);
    expect(JSON.parse(table("nodes.info")[pending]!).ledger_secret_seqno).toBe(17);
    accept("transition_node_to_trusted", { node_id: pending, valid_from });
    expect(service.effects).toHaveLength(1);
    refuseAll("transition_node_to_trusted", [
      {},
      { node_id: pending },
      { node_id: "x", valid_from },
      { node_id: pending, valid_from, validity_period_days: 0 },
      { node_id: pending, valid_from, validity_period_days: 1.5 },
    ]);
    addPendingNode(pending);
    refuseAll(
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
    accept("remove_node", { node_id: pending });
    accept("remove_node", { node_id: nodeId });
    accept("remove_node", { node_id: unknownId });
    expect(service.get("/service/nodes").json.value).toHaveLength(1);
    expect(service.get(`/service/nodes/${nodeId}`).json.status).toBe("Retired");
    refuseAll("remove_node", [{}, { node_id: "x" }]);
  });

  test("certificates of nodes are renewed one by one or all together", () => {
    accept("set_node_certificate_validity", { node_id: nodeId, valid_from });
    accept("set_all_nodes_certificate_validity", { valid_from, validity_period_days: 2 });
    expect(service.effects).toEqual([
      ["endorse", "request", valid_from, 365],
      ["endorse", "request", valid_from, 2],
    ]);
    const pending = "aa".repeat(32);
    addPendingNode(pending);
    refuseAll("set_node_certificate_validity", [{}, { node_id: nodeId }]);
    refuseAll(
      "set_node_certificate_validity",
      [
        { node_id: pending, valid_from },
        { node_id: unknownId, valid_from },
      ],
      500,
    );
    refuseAll("set_all_nodes_certificate_validity", [{}, { valid_from, validity_period_days: -1 }]);
    refuseAll(
      "set_all_nodes_certificate_validity",
      [{ valid_from, validity_period_days: 400 }],
      500,
    );
  });

  test("set_node_data", () => {
    accept("set_node_data", { node_id: nodeId, node_data: { zone: 1 } });
    expect(service.get(`/service/nodes/${nodeId}`).json.nodeData).toEqual({ zone: 1 });
    refuseAll("set_node_data", [{}, { node_id: "x", node_data: {} }]);
    refuseAll("set_node_data", [{ node_id: unknownId, node_data: {} }], 500);
  });

  test.each([
    ["node_code", "code_id", "nodes.code_ids"],
    ["snp_measurement", "measurement", "nodes.snp.measurements"],
    ["virtual_measurement", "measurement", "nodes.virtual.measurements"],
  ])("add_ and remove_%s", (suffix, argument, name) => {
    accept(`add_${suffix}`, { [argument]: "abc" });
    expect(table(name)["abc"]).toBe('"AllowedToJoin"');
    accept(`remove_${suffix}`, { [argument]: "abc" });
    expect(table(name)).not.toHaveProperty("abc");
    refuseAll(`add_${suffix}`, [{}, { [argument]: 1 }, { [argument]: "" }]);
    refuseAll(`remove_${suffix}`, [{}, { [argument]: 1 }]);
  });

  test("host data of virtual nodes", () => {
    accept("add_virtual_host_data", { host_data: "cd".repeat(32) });
    expect(table("nodes.virtual.host_data")["cd".repeat(32)]).toBe("\0".repeat(8));
    accept("remove_virtual_host_data", { host_data: "cd".repeat(32) });
    expect(service.get("/service/join-policy").json.virtual.hostData).toEqual(["ab".repeat(32)]);
    refuseAll("add_virtual_host_data", [{}, { host_data: 1 }]);
    refuseAll("remove_virtual_host_data", [{}, { host_data: 1 }]);
  });

  test("host data of SNP nodes is the digest of its policy", () => {
    const security_policy = "package policy";
    const host_data = createHash("sha256").update(security_policy).digest("hex");
    accept("add_snp_host_data", { host_data, security_policy });
    accept("add_snp_host_data", { host_data: "ee".repeat(32), security_policy: "" });
    expect(service.get("/service/join-policy").json.snp.hostData).toEqual({
      [host_data]: security_policy,
      ["ee".repeat(32)]: "",
    });
    accept("remove_snp_host_data", { host_data });
    expect(table("nodes.snp.host_data")).not.toHaveProperty(host_data);
    refuseAll("add_snp_host_data", [
      {},
      { host_data, security_policy: "other" },
      { host_data: "zz", security_policy: "" },
      { host_data },
    ]);
    refuseAll("remove_snp_host_data", [{}, { host_data: 1 }]);
  });

  test("endorsements of utility VMs", () => {
    const did = "did:x509:0:sha256:x";
    accept("add_snp_uvm_endorsement", { did, feed: "f1", svn: "1" });
    accept("add_snp_uvm_endorsement", { did, feed: "f2", svn: "2" });
    expect(service.get("/service/join-policy").json.snp.uvmEndorsements).toEqual({
      [did]: { f1: { svn: "1" }, f2: { svn: "2" } },
    });
    accept("remove_snp_uvm_endorsement", { did, feed: "f1" });
    expect(table("nodes.snp.uvm_endorsements")[did]).toBe('{"f2":{"svn":"2"}}');
    accept("remove_snp_uvm_endorsement", { did, feed: "f2" });
    expect(table("nodes.snp.uvm_endorsements")).toEqual({});
    refuseAll("add_snp_uvm_endorsement", [{}, { did, feed: "f1" }, { did, feed: "f1", svn: 1 }]);
    refuseAll("remove_snp_uvm_endorsement", [{}, { did }]);
  });

  test("minimum versions of the trusted computing base", () => {
    const cpuid = "00a00f11";
    const tcb_version = { boot_loader: 4, tee: 0, snp: 24, microcode: 219 };
    accept("set_snp_minimum_tcb_version", { cpuid, tcb_version });
    expect(service.get("/service/join-policy").json.snp.tcbVersions).toEqual({
      [cpuid]: tcb_version,
    });
    accept("set_snp_minimum_tcb_version_hex", { cpuid, tcb_version: "d315000000000004" });
    expect(JSON.parse(table("nodes.snp.tcb_versions")[cpuid]!).hexstring).toBe("d315000000000004");
    accept("remove_snp_minimum_tcb_version", { cpuid });
    refuseAll("remove_snp_minimum_tcb_version", [{ cpuid }], 500);
    refuseAll("remove_snp_minimum_tcb_version", [{}, { cpuid: "x" }]);
    refuseAll("set_snp_minimum_tcb_version", [
      {},
      { cpuid },
      { cpuid: "00A00F11", tcb_version },
      { cpuid, tcb_version: { ...tcb_version, snp: 256 } },
      { cpuid, tcb_version: { ...tcb_version, other: 1 } },
      { cpuid, tcb_version: { snp: 1 } },
    ]);
    refuseAll("set_snp_minimum_tcb_version_hex", [
      {},
      { cpuid, tcb_version: "d3" },
      { cpuid, tcb_version: "D315000000000004" },
    ]);
  });

  test("adding trusted code drops open proposals, removing it does not", () => {
    service = new TestService(members, defaultConstitution);
    service.open();
    const action = { name: "remove_virtual_host_data", args: { host_data: "x" } };
    const open = service.propose(bob, [action]).json.proposalId;
    const pass = (actions: unknown) => {
      const { proposalId } = service.propose(alice, actions).json;
      service.vote(alice, proposalId);
      return service.vote(bob, proposalId).json.proposalState;
    };
    const stateOfOpen = () => service.get(`/members/proposals/${open}`).json.proposalState;
    expect(pass([action])).toBe("Accepted");
    expect(stateOfOpen()).toBe("Open");
    expect(pass([{ name: "add_virtual_host_data", args: { host_data: "x" } }])).toBe("Accepted");
    expect(stateOfOpen()).toBe("Dropped");
  });
});

describe("the application and its tokens", () => {
  const properties = {
    js_module: "main.js",
    js_function: "f",
    mode: "readwrite",
    forwarding_required: "always",
    authn_policies: ["user_cert", { all_of: ["jwt", "user_cert"] }],
  };
  const bundleOf = (
    endpoint: unknown,
    modules: unknown = [{ name: "main.js", module: "// code" }],
  ) => ({
    metadata: { endpoints: { "/log/{id}": { post: endpoint } } },
    modules,
  });

  test("set_js_app stores modules and endpoints, remove_js_app forgets them", () => {
    accept("set_js_app", { bundle: bundleOf(properties) });
    expect(table("modules")).toEqual({ "/main.js": "// code" });
    expect(JSON.parse(table("endpoints")["POST /log/{id}"]!)).toEqual({
      ...properties,
      js_module: "/main.js",
    });
    expect(service.get("/service/javascript-app").json).toEqual({
      endpoints: {
        "/log/{id}": {
          POST: {
            authnPolicies: properties.authn_policies,
            forwardingRequired: "always",
            jsFunction: "f",
            jsModule: "/main.js",
            mode: "readwrite",
            openApi: null,
            redirectionStrategy: "to_primary",
          },
        },
      },
    });
    const original = service.get("/service/javascript-app?case=original&api-version=2024-07-01");
    expect(original.json.endpoints["/log/{id}"].POST.js_function).toBe("f");
    expect(service.get("/service/javascript-modules").json).toEqual({
      value: [{ moduleName: "/main.js" }],
    });
    expect(service.get("/service/javascript-modules/%2Fmain.js").text).toBe("// code");
    expect(table("interpreter.flush")).toEqual({ singleton: "true" });
    accept("refresh_js_app_bytecode_cache", null);
    accept("set_js_app", { bundle: bundleOf(properties), disable_bytecode_cache: true });
    accept("remove_js_app", null);
    expect([table("modules"), table("endpoints")]).toEqual([{}, {}]);
  });

  test("set_js_app refuses bundles that cannot run", () => {
    const modules = [{ name: "main.js", module: "" }];
    refuseAll("set_js_app", [
      {},
      { bundle: [] },
      { bundle: { metadata: { endpoints: {} } } },
      { bundle: { modules } },
      { bundle: bundleOf(properties, [{ name: "main.js" }]) },
      { bundle: bundleOf(properties, [...modules, ...modules]) },
      { bundle: bundleOf(properties, [{ name: "other.js", module: "" }]) },
      { bundle: bundleOf({ ...properties, mode: "write" }) },
      { bundle: bundleOf({ ...properties, forwarding_required: undefined }) },
      { bundle: bundleOf({ ...properties, authn_policies: undefined }) },
      { bundle: bundleOf({ ...properties, authn_policies: [1] }) },
      { bundle: bundleOf({ ...properties, authn_policies: [{ any_of: [] }] }) },
      { bundle: bundleOf({ ...properties, js_function: 1 }) },
      { bundle: bundleOf({ ...properties, redirection_strategy: "somewhere" }) },
      { bundle: { modules, metadata: { endpoints: { "no-slash": {} } } } },
      { bundle: { modules, metadata: { endpoints: { "/x": { fetch: properties } } } } },
      { bundle: bundleOf(properties), disable_bytecode_cache: "yes" },
    ]);
  });

  test("set_js_runtime_options", () => {
    const options = { max_heap_bytes: 1e8, max_stack_bytes: 1e6, max_execution_time_ms: 2000 };
    accept("set_js_runtime_options", options);
    expect(Object.values(table("js_runtime_options"))).toEqual([JSON.stringify(options)]);
    refuseAll("set_js_runtime_options", [
      {},
      { ...options, max_heap_bytes: "1" },
      { ...options, log_exception_details: 1 },
      { ...options, max_cached_interpreters: -1 },
    ]);
  });

  const issuer = "https://issuer.example.com";
  let jwk: Record<string, unknown>;
  beforeAll(() => {
    const { publicKey } = generateSigningKey("secp256r1");
    const point = publicKey.subarray(publicKey.length - 64);
    const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
    jwk = {
      kid: "k1",
      kty: "EC",
      crv: "P-256",
      x: text(point.subarray(0, 32)),
      y: text(point.subarray(32)),
    };
  });

  test("issuers, their keys and CA bundles", () => {
    accept("set_ca_cert_bundle", { name: "ca", cert_bundle: userCertificate });
    accept("set_jwt_issuer", { issuer, auto_refresh: true, ca_cert_bundle_name: "ca" });
    accept("set_jwt_public_signing_keys", { issuer, jwks: { keys: [{ ...jwk, issuer }] } });
    const described = service.get("/service/jwk").json;
    expect(described.caCertBundles).toEqual({ ca: userCertificate });
    expect(described.issuers).toEqual({ [issuer]: { autoRefresh: true, caCertBundleName: "ca" } });
    expect(described.keys.k1[0]).toMatchObject({ issuer, constraint: issuer });
    expect(described.keys.k1[0].publicKey).toMatch(/^-----BEGIN PUBLIC KEY-----/);

    const der = bytesToBase64(pemToDer(userCertificate));
    const other = "https://other.example.com";
    accept("set_jwt_issuer", { issuer: other, jwks: { keys: [{ ...jwk, kid: "k1" }] } });
    expect(JSON.parse(table("jwt.public_signing_keys_metadata_v2")["k1"]!)).toHaveLength(2);
    const x5c = { kid: "k2", kty: "EC", x5c: [der] };
    accept("set_jwt_public_signing_keys", { issuer, jwks: { keys: [x5c] } });
    expect(Object.keys(service.get("/service/jwk").json.keys)).toEqual(["k1", "k2"]);
    accept("remove_jwt_issuer", { issuer });
    accept("remove_jwt_issuer", { issuer });
    accept("remove_ca_cert_bundle", { name: "ca" });
    const rest = service.get("/service/jwk").json;
    expect([Object.keys(rest.keys), Object.keys(rest.issuers)]).toEqual([["k1"], [other]]);
  });

  test("issuers that cannot be used are refused", () => {
    const keys = [jwk];
    refuseAll("set_jwt_issuer", [
      {},
      { issuer: 1 },
      { issuer, auto_refresh: "yes" },
      { issuer, auto_refresh: true },
      { issuer: "name", auto_refresh: true, ca_cert_bundle_name: "ca" },
      { issuer: "https://x.example.com?q", auto_refresh: true, ca_cert_bundle_name: "ca" },
      { issuer, jwks: {} },
      { issuer, jwks: { keys: [{ kid: "k" }] } },
      { issuer, jwks: { keys: [{ kid: "k", kty: "EC" }] } },
      { issuer, jwks: { keys: [{ kid: "k", kty: "EC", x5c: [] }] } },
      { issuer, jwks: { keys: [{ kid: "k", kty: "EC", x5c: ["AAAA"] }] } },
    ]);
    refuseAll(
      "set_jwt_issuer",
      [
        { issuer, auto_refresh: true, ca_cert_bundle_name: "missing" },
        { issuer, jwks: { keys: [] } },
        { issuer, jwks: { keys: [{ ...jwk, issuer: "https://elsewhere.org" }] } },
        { issuer, jwks: { keys: [{ ...jwk, x: "AA" }] } },
      ],
      500,
    );
    refuseAll("set_jwt_public_signing_keys", [{}, { issuer }]);
    refuseAll("set_jwt_public_signing_keys", [{ issuer: "https://unknown", jwks: { keys } }], 500);
    refuseAll("remove_jwt_issuer", [{}]);
    refuseAll("set_ca_cert_bundle", [
      {},
      { name: "x", cert_bundle: "y" },
      { name: "", cert_bundle: userCertificate },
    ]);
    refuseAll("remove_ca_cert_bundle", [{}]);
  });

  test("cleanup_legacy_jwt_records", () => {
    service.write((transaction) => {
      governanceTables.legacyJwtSigningKeys.of(transaction).set("k", utf8ToBytes("der"));
      governanceTables.legacyJwtSigningKeyIssuers.of(transaction).set("k", issuer);
    });
    refuseAll("cleanup_legacy_jwt_records", [{ ensure_new_records_exist: true }], 500);
    refuseAll("cleanup_legacy_jwt_records", [{ ensure_new_records_exist: 1 }]);
    accept("cleanup_legacy_jwt_records", { ensure_new_records_exist: false });
    expect(table("jwt.public_signing_keys")).toEqual({});
  });
});

/** The actions that CCF's documentation and sample add-ons have. */
const referenceActions = [
  ["set_constitution", "set_role_definition"],
  ["set_member", "remove_member", "set_member_data"],
  ["set_user", "remove_user", "set_user_data"],
  ["set_recovery_threshold", "set_service_configuration", "trigger_recovery_shares_refresh"],
  ["trigger_ledger_rekey", "trigger_ledger_chunk", "trigger_snapshot"],
  ["transition_service_to_open", "assert_service_identity", "set_service_certificate_validity"],
  ["set_js_app", "remove_js_app", "set_js_runtime_options", "refresh_js_app_bytecode_cache"],
  ["set_ca_cert_bundle", "remove_ca_cert_bundle"],
  ["set_jwt_issuer", "set_jwt_public_signing_keys", "remove_jwt_issuer"],
  ["cleanup_legacy_jwt_records"],
  ["add_node_code", "remove_node_code", "add_snp_measurement", "remove_snp_measurement"],
  ["add_snp_uvm_endorsement", "remove_snp_uvm_endorsement"],
  ["add_snp_host_data", "remove_snp_host_data"],
  ["add_virtual_measurement", "remove_virtual_measurement"],
  ["add_virtual_host_data", "remove_virtual_host_data"],
  ["set_snp_minimum_tcb_version", "set_snp_minimum_tcb_version_hex"],
  ["remove_snp_minimum_tcb_version"],
  ["set_node_data", "transition_node_to_trusted", "remove_node"],
  ["set_node_certificate_validity", "set_all_nodes_certificate_validity"],
].flat();

test("every action of the reference is known, and takes no argument of another name", () => {
  expect(referenceActions).toHaveLength(47);
  for (const name of referenceActions) {
    const { error } = run(name, { unheard_of: 1 }).json;
    expect(error.message).toContain(`${name} at position 0 failed validation`);
    expect(error.message).toContain("args.unheard_of is not known");
  }
  expect(run("no_such_action").json.error.message).toContain("no_such_action: no such action");
});
