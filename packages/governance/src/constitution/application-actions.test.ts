import { bytesToBase64, pemToDer, utf8ToBytes } from "@coco/base";
import { generateSigningKey } from "@coco/base/node";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ActionService } from "../actions.testing.ts";
import { selfSigned } from "../governance.testing.ts";
import { governanceTables } from "../tables.ts";

let service: ActionService;
beforeEach(() => {
  service = new ActionService();
});
const userCertificate = selfSigned("user", generateSigningKey());

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
    service.accept("set_js_app", { bundle: bundleOf(properties) });
    expect(service.table("modules")).toEqual({ "/main.js": "// code" });
    expect(JSON.parse(service.table("endpoints")["POST /log/{id}"]!)).toEqual({
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
    expect(service.table("interpreter.flush")).toEqual({ singleton: "true" });
    service.accept("refresh_js_app_bytecode_cache", null);
    service.accept("set_js_app", { bundle: bundleOf(properties), disable_bytecode_cache: true });
    service.accept("remove_js_app", null);
    expect([service.table("modules"), service.table("endpoints")]).toEqual([{}, {}]);
  });

  test("set_js_app refuses bundles that cannot run", () => {
    const modules = [{ name: "main.js", module: "" }];
    service.refuseAll("set_js_app", [
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
    service.accept("set_js_runtime_options", options);
    expect(Object.values(service.table("js_runtime_options"))).toEqual([JSON.stringify(options)]);
    service.refuseAll("set_js_runtime_options", [
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
    service.accept("set_ca_cert_bundle", { name: "ca", cert_bundle: userCertificate });
    service.accept("set_jwt_issuer", { issuer, auto_refresh: true, ca_cert_bundle_name: "ca" });
    service.accept("set_jwt_public_signing_keys", { issuer, jwks: { keys: [{ ...jwk, issuer }] } });
    const described = service.get("/service/jwk").json;
    expect(described.caCertBundles).toEqual({ ca: userCertificate });
    expect(described.issuers).toEqual({ [issuer]: { autoRefresh: true, caCertBundleName: "ca" } });
    expect(described.keys.k1[0]).toMatchObject({ issuer, constraint: issuer });
    expect(described.keys.k1[0].publicKey).toMatch(/^-----BEGIN PUBLIC KEY-----/);

    const der = bytesToBase64(pemToDer(userCertificate));
    const other = "https://other.example.com";
    service.accept("set_jwt_issuer", { issuer: other, jwks: { keys: [{ ...jwk, kid: "k1" }] } });
    expect(JSON.parse(service.table("jwt.public_signing_keys_metadata_v2")["k1"]!)).toHaveLength(2);
    const x5c = { kid: "k2", kty: "EC", x5c: [der] };
    service.accept("set_jwt_public_signing_keys", { issuer, jwks: { keys: [x5c] } });
    expect(Object.keys(service.get("/service/jwk").json.keys)).toEqual(["k1", "k2"]);
    service.accept("remove_jwt_issuer", { issuer });
    service.accept("remove_jwt_issuer", { issuer });
    service.accept("remove_ca_cert_bundle", { name: "ca" });
    const rest = service.get("/service/jwk").json;
    expect([Object.keys(rest.keys), Object.keys(rest.issuers)]).toEqual([["k1"], [other]]);
  });

  test("issuers that cannot be used are refused", () => {
    const keys = [jwk];
    service.refuseAll("set_jwt_issuer", [
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
    service.refuseAll(
      "set_jwt_issuer",
      [
        { issuer, auto_refresh: true, ca_cert_bundle_name: "missing" },
        { issuer, jwks: { keys: [] } },
        { issuer, jwks: { keys: [{ ...jwk, issuer: "https://elsewhere.org" }] } },
        { issuer, jwks: { keys: [{ ...jwk, x: "AA" }] } },
      ],
      500,
    );
    service.refuseAll("set_jwt_public_signing_keys", [{}, { issuer }]);
    service.refuseAll(
      "set_jwt_public_signing_keys",
      [{ issuer: "https://unknown", jwks: { keys } }],
      500,
    );
    service.refuseAll("remove_jwt_issuer", [{}]);
    service.refuseAll("set_ca_cert_bundle", [
      {},
      { name: "x", cert_bundle: "y" },
      { name: "", cert_bundle: userCertificate },
    ]);
    service.refuseAll("remove_ca_cert_bundle", [{}]);
  });

  test("cleanup_legacy_jwt_records", () => {
    service.write((transaction) => {
      governanceTables.legacyJwtSigningKeys.of(transaction).set("k", utf8ToBytes("der"));
      governanceTables.legacyJwtSigningKeyIssuers.of(transaction).set("k", issuer);
    });
    service.refuseAll("cleanup_legacy_jwt_records", [{ ensure_new_records_exist: true }], 500);
    service.refuseAll("cleanup_legacy_jwt_records", [{ ensure_new_records_exist: 1 }]);
    service.accept("cleanup_legacy_jwt_records", { ensure_new_records_exist: false });
    expect(service.table("jwt.public_signing_keys")).toEqual({});
  });
});
