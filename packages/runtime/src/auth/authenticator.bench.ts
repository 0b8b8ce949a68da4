/** Cost of routing and of each policy for one request; the store transaction is counted too. */
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { bytesToBase64Url, createCertificate, pemToDer, utf8ToBytes } from "@coco/base";
import { createNodeCrypto, generateSigningKey } from "@coco/base/node";
import { createStore } from "@coco/store";
import { bench, describe } from "vitest";
import type { AppRequest } from "../application.ts";
import { setJsApp } from "../bundle/installed-app.ts";
import { createStoredEndpointTable } from "../endpoints/endpoint-tables.ts";
import { setJwtPublicSigningKeys } from "../jwt/signing-keys.ts";
import { userCertificatesTable, userInfoTable } from "../tables.ts";
import { createAuthenticator } from "./authenticator.ts";

const crypto = createNodeCrypto();
const nowMs = Date.UTC(2026, 10, 20);
const key = generateSigningKey("secp384r1");
const pem = createCertificate({
  subject: "CN=user",
  publicKey: key.publicKey,
  signer: key,
  notBeforeMs: 0,
  notAfterMs: 2 * nowMs,
  serial: Uint8Array.of(1),
  isAuthority: false,
  hash: crypto,
});
const der = pemToDer(pem);
const fingerprint = createHash("sha256").update(der).digest("hex");
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const issuer = "https://issuer.example.com";
const encode = (value: unknown) => bytesToBase64Url(utf8ToBytes(JSON.stringify(value)));
const claims = { iss: issuer, exp: nowMs / 1000 + 60 };
const signed = `${encode({ alg: "RS256", kid: "k" })}.${encode(claims)}`;
const token = `${signed}.${bytesToBase64Url(sign("sha256", Buffer.from(signed), rsa.privateKey))}`;

const endpoint = {
  js_module: "m.js",
  js_function: "f",
  forwarding_required: "never",
  authn_policies: ["user_cert"],
} as const;
const store = createStore();
const setup = store.begin("node");
userCertificatesTable(setup).set(fingerprint, pem);
userInfoTable(setup).set(fingerprint, { user_data: { role: "admin" } });
const jwks = { keys: [{ ...rsa.publicKey.export({ format: "jwk" }), kid: "k" }] };
setJwtPublicSigningKeys(setup, issuer, jwks, crypto);
const literals = Array.from({ length: 24 }, (_, index) => [`/log/${index}`, { get: endpoint }]);
setJsApp(setup, {
  metadata: { endpoints: { ...Object.fromEntries(literals), "/text/{id}": { get: endpoint } } },
  modules: [{ name: "m.js", module: "" }],
});
store.commit(setup);

const authenticator = createAuthenticator({ verifier: crypto });
const table = createStoredEndpointTable();
const headers = new Map([["authorization", `Bearer ${token}`]]);
const request: AppRequest = {
  method: "GET",
  url: "/app/log/1",
  path: "/log/1",
  query: "",
  headers: { get: (name) => headers.get(name), entries: () => headers },
  body: new Uint8Array(0),
  session: { id: 1, interfaceName: "main", certificate: { der, pem, fingerprint } },
};

const policies = { user_cert: ["user_cert"], jwt: ["jwt"], none: ["no_auth"] };

describe("one request", () => {
  bench("only the store transaction", () => {
    store.begin("application").discard();
  });
  for (const [name, list] of Object.entries(policies)) {
    bench(`authenticate ${name}`, () => {
      const transaction = store.begin("application");
      authenticator.authenticate(list, { request, transaction, nowMs });
    });
  }
  bench("route a literal path", () => {
    table.find(store.begin("application"), "GET", "/log/1");
  });
  bench("route a template among 25 endpoints", () => {
    table.find(store.begin("application"), "GET", "/text/abc");
  });
});
