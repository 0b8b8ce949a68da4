/** What callers send to applications: tokens, signed bodies, bundles, evidence, configuration. */
import { keyIdToBytes, signCoseSign1, utf8ToBytes } from "@coco/base";
import { createNodeCrypto, generateSigningKey } from "@coco/base/node";
import { createAuthenticator, parseBundle, parsePathTemplate, tableNames } from "@coco/runtime";
import { createStore, type Store } from "@coco/store";
import { quoteInfoToEvidence, verifyEvidence, virtualVerifier } from "@coco/tee";
import { type FuzzTarget, OracleViolation } from "../fuzzer.ts";
import { parseJson } from "./store-targets.ts";

const crypto = createNodeCrypto();
const key = generateSigningKey("secp256r1");
const stranger = generateSigningKey("secp256r1");
const nowMs = Date.UTC(2026, 5);

function base64Url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function createToken(claims: object, signer = key): string {
  const head = `${base64Url({ alg: "ES256", typ: "JWT", kid: "k1" })}.${base64Url(claims)}`;
  const signature = Buffer.from(signer.sign(utf8ToBytes(head))).toString("base64url");
  return `Bearer ${head}.${signature}`;
}

const claims = { iss: "https://issuer.example.com", sub: "a", exp: nowMs / 1000 + 60 };

function createStoreWithKeys(): Store {
  const store = createStore();
  const transaction = store.begin("node");
  const keys = [
    {
      public_key: Buffer.from(key.publicKey).toString("base64"),
      issuer: claims.iss,
      constraint: claims.iss,
    },
  ];
  transaction
    .table(tableNames.jwtSigningKeys)
    .set(utf8ToBytes("k1"), utf8ToBytes(JSON.stringify(keys)));
  store.commit(transaction);
  return store;
}

const store = createStoreWithKeys();
const authenticator = createAuthenticator({ verifier: crypto });

function authenticate(policy: string, headers: Readonly<Record<string, string>>, body: Uint8Array) {
  const transaction = store.begin("applicationReadOnly");
  const request = {
    method: "POST",
    url: "/app/x",
    path: "/x",
    query: "",
    headers: { get: (name: string) => headers[name], entries: () => Object.entries(headers) },
    body,
    session: { id: 1, interfaceName: "primary", certificate: undefined },
  };
  return authenticator.authenticate([policy], { request, transaction, nowMs });
}

const message = signCoseSign1({
  signer: key,
  headers: new Map<string | number, string | number | Uint8Array>([
    [4, keyIdToBytes("0".repeat(64))],
    ["ccf.gov.msg.type", "proposal"],
    ["ccf.gov.msg.created_at", 1_780_000_000],
  ]),
  payload: utf8ToBytes("{}"),
});

const bundle = {
  metadata: {
    endpoints: {
      "/log/{id}": {
        get: {
          js_module: "a.js",
          js_function: "read",
          forwarding_required: "sometimes",
          redirection_strategy: "none",
          authn_policies: ["user_cert", { all_of: ["jwt", "user_cert"] }],
          mode: "readonly",
          openapi: {},
          interpreter_reuse: { key: "x" },
        },
      },
    },
  },
  modules: [{ name: "a.js", module: "export function read() {}" }],
};

const quote = {
  format: "Insecure_Virtual",
  quote: Buffer.from(
    JSON.stringify({
      measurement: "m",
      host_data: "h",
      report_data: Buffer.alloc(32).toString("base64"),
    }),
  ).toString("base64"),
  endorsements: "",
};

export const runtimeTargets: readonly FuzzTarget[] = [
  {
    name: "jwt",
    seeds: () => [
      utf8ToBytes(createToken(claims)),
      utf8ToBytes(createToken({ ...claims, nbf: 1, iat: 1, tid: "t", aud: ["a", "b"] })),
      utf8ToBytes(createToken(claims, stranger)),
    ],
    dictionary: ["Bearer ", ".", "none", "eyJhbGciOiJub25lIn0", "="],
    run: (input) => {
      const authorization = Buffer.from(input).toString("latin1");
      const result = authenticate("jwt", { authorization }, new Uint8Array(0));
      if (result.kind !== "caller" || !("jwt" in result.caller)) return;
      if (result.caller.jwt.payload["sub"] !== "a") {
        throw new OracleViolation("a token with other claims was accepted");
      }
    },
  },
  {
    name: "cose-authentication",
    seeds: () => [message],
    dictionary: ["ccf.gov.msg.type", "proposal", "ballot"],
    run: (input) => {
      const headers = { "content-type": "application/cose" };
      const { kind } = authenticate("active_member_cose_sign1", headers, input);
      if (kind === "caller") throw new OracleViolation("a stranger's message was accepted");
    },
  },
  {
    name: "bundle",
    seeds: () => [utf8ToBytes(JSON.stringify(bundle))],
    dictionary: ["__proto__", "constructor", "all_of", "/{a}/{a}", "null", "[]", "{}", "1e99"],
    run: (input) => {
      parseBundle(parseJson(input));
      const polluted = ({} as Record<string, unknown>)["js_module"];
      if (polluted !== undefined) throw new OracleViolation("a bundle changed all objects");
    },
  },
  {
    name: "path-template",
    seeds: () => [utf8ToBytes("/a/{b}/c{d}:verb")],
    dictionary: ["{", "}", "{x}", "//", "%2f", "*", "+"],
    run: (input) => {
      parsePathTemplate(Buffer.from(input).toString("latin1"));
    },
  },
  {
    name: "evidence",
    seeds: () => [utf8ToBytes(JSON.stringify(quote))],
    dictionary: ["AMD_SEV_SNP_v1", "OE_SGX_v1", "Insecure_Virtual", "null", "endorsed_tcb"],
    run: (input) => {
      const evidence = quoteInfoToEvidence(parseJson(input));
      verifyEvidence([virtualVerifier], { evidence, crypto, nowMs });
    },
  },
];
