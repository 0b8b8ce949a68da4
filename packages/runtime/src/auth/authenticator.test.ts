import { constants, createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import {
  bytesToBase64Url,
  createCertificate,
  encodeCbor,
  pemToDer,
  signCoseSign1,
} from "@coco/base";
import { createNodeCrypto, generateSigningKey, type SigningKey } from "@coco/base/node";
import { createStore, type Store } from "@coco/store";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AppRequest, AuthPolicy, SessionCertificate } from "../application.ts";
import { setJwtPublicSigningKeys } from "../jwt/signing-keys.ts";
import {
  memberCertificatesTable,
  memberInfoTable,
  userCertificatesTable,
  userInfoTable,
} from "../tables.ts";
import { createAuthenticator, refusalToResponse } from "./authenticator.ts";
import { isIssuerAllowed } from "./jwt-issuer.ts";
import { parseJwt } from "./jwt-token.ts";

const crypto = createNodeCrypto();
const nowMs = Date.UTC(2026, 10, 20, 12);
const nowSeconds = nowMs / 1000;
const dayMs = 86_400_000;

interface Identity {
  readonly key: SigningKey;
  readonly certificate: SessionCertificate;
}

function createIdentity(name: string, notBeforeMs = nowMs - dayMs): Identity {
  const key = generateSigningKey("secp256r1");
  const pem = createCertificate({
    subject: `CN=${name}`,
    publicKey: key.publicKey,
    signer: key,
    notBeforeMs,
    notAfterMs: notBeforeMs + 2 * dayMs,
    serial: Uint8Array.of(1),
    isAuthority: false,
    hash: crypto,
  });
  const der = pemToDer(pem);
  const fingerprint = createHash("sha256").update(der).digest("hex");
  return { key, certificate: { der, pem, fingerprint } };
}

const user = createIdentity("user");
const member = createIdentity("member");

function createService(): Store {
  const store = createStore();
  const transaction = store.begin("node");
  userCertificatesTable(transaction).set(user.certificate.fingerprint, user.certificate.pem);
  userInfoTable(transaction).set(user.certificate.fingerprint, { user_data: { role: "admin" } });
  memberCertificatesTable(transaction).set(member.certificate.fingerprint, member.certificate.pem);
  memberInfoTable(transaction).set(member.certificate.fingerprint, {
    status: "Accepted",
    member_data: { name: "m" },
  });
  store.commit(transaction);
  return store;
}

function createRequest(options: {
  readonly certificate?: SessionCertificate | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}): AppRequest {
  const headers = new Map(Object.entries(options.headers ?? {}));
  return {
    method: "GET",
    url: "/app/x",
    path: "/x",
    query: "",
    headers: { get: (name) => headers.get(name), entries: () => headers },
    body: options.body ?? new Uint8Array(0),
    session: { id: 1, interfaceName: "main", certificate: options.certificate },
  };
}

function createDecider(store: Store) {
  const authenticator = createAuthenticator({ verifier: crypto });
  return (policies: readonly AuthPolicy[], request: AppRequest, time = nowMs, type?: string) =>
    authenticator.authenticate(policies, {
      request,
      transaction: store.begin("application"),
      nowMs: time,
      ...(type === undefined ? {} : { expectedMessageType: type }),
    });
}

function reasonOf(result: ReturnType<ReturnType<typeof createDecider>>): string | undefined {
  return result.kind === "refused" ? result.failures[0]?.message : result.kind;
}

describe("certificate policies", () => {
  it("know users and members by their certificates, with their data", () => {
    const decide = createDecider(createService());
    const asUser = createRequest({ certificate: user.certificate });
    const asMember = createRequest({ certificate: member.certificate });
    const { fingerprint: id, pem: cert } = user.certificate;
    expect(decide(["user_cert"], asUser)).toEqual({
      kind: "caller",
      caller: { policy: "user_cert", id, data: { role: "admin" }, cert },
    });
    expect(decide(["user_cert", "member_cert"], asMember)).toMatchObject({
      caller: { policy: "member_cert", data: { name: "m" } },
    });
    expect(decide(["any_cert"], asMember)).toMatchObject({ caller: { policy: "any_cert" } });
    expect(decide([], createRequest({}))).toMatchObject({ caller: { policy: "no_auth" } });
    expect(reasonOf(decide(["user_cert"], asMember))).toBe(
      "Could not find matching user certificate",
    );
    expect(reasonOf(decide(["any_cert"], createRequest({})))).toBe("No caller certificate");
    expect(reasonOf(decide(["member_cert"], createRequest({})))).toBe(
      "No caller member certificate",
    );
  });

  it("refuse certificates outside their validity, to the second", () => {
    const decide = createDecider(createService());
    const asUser = createRequest({ certificate: user.certificate });
    const begin = nowMs - dayMs;
    const end = nowMs + dayMs;
    expect(decide(["user_cert"], asUser, begin).kind).toBe("caller");
    expect(decide(["user_cert"], asUser, end).kind).toBe("caller");
    expect(reasonOf(decide(["user_cert"], asUser, begin - 1000))).toBe(
      `Current time ${begin / 1000 - 1} is before certificate's Not Before validity period ` +
        `${begin / 1000}`,
    );
    expect(reasonOf(decide(["any_cert"], asUser, end + 1000))).toBe(
      `Current time ${end / 1000 + 1} is after certificate's Not After validity period ` +
        `${end / 1000}`,
    );
  });

  it("see every change of the tables at once, although callers are cached", () => {
    const store = createService();
    const decide = createDecider(store);
    const asUser = createRequest({ certificate: user.certificate });
    const first = decide(["user_cert"], asUser);
    expect(first).toEqual(decide(["user_cert"], asUser));
    const change = store.begin("node");
    userInfoTable(change).set(user.certificate.fingerprint, { user_data: null });
    store.commit(change);
    expect(decide(["user_cert"], asUser)).toMatchObject({ caller: { data: null } });
    const removal = store.begin("node");
    userCertificatesTable(removal).delete(user.certificate.fingerprint);
    store.commit(removal);
    expect(decide(["user_cert"], asUser).kind).toBe("refused");
  });

  it("hand out data that no application can change for the next caller", () => {
    const result = createDecider(createService())(
      ["user_cert"],
      createRequest({ certificate: user.certificate }),
    );
    const data = result.kind === "caller" && "data" in result.caller ? result.caller.data : {};
    expect(() => {
      (data as { role: string }).role = "root";
    }).toThrow(TypeError);
  });
});

const issuer = "https://issuer.example.com";
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });

function encode(value: unknown): string {
  return bytesToBase64Url(new TextEncoder().encode(JSON.stringify(value)));
}

function createJwt(
  key: KeyObject,
  algorithm: string,
  payload: object = {},
  header: object = {},
): string {
  const claims = { iss: issuer, exp: nowSeconds + 60, ...payload };
  const signed = `${encode({ alg: algorithm, kid: "k", ...header })}.${encode(claims)}`;
  const pss = {
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  };
  const options = algorithm.startsWith("PS") ? pss : { dsaEncoding: "ieee-p1363" as const };
  const hash = `sha${algorithm.slice(2)}`;
  const signature = sign(hash, Buffer.from(signed), { key, ...options });
  return `${signed}.${bytesToBase64Url(signature)}`;
}

function setKey(store: Store, key: KeyObject, constraint = issuer): void {
  const transaction = store.begin("node");
  const jwk = { ...key.export({ format: "jwk" }), kid: "k", issuer: constraint };
  setJwtPublicSigningKeys(transaction, constraint, { keys: [jwk] }, crypto);
  store.commit(transaction);
}

function bearer(token: string): AppRequest {
  return createRequest({ headers: { authorization: `Bearer ${token}` } });
}

describe("jwt", () => {
  it("accepts every supported algorithm with a key that fits", () => {
    const curves = { ES256: "prime256v1", ES384: "secp384r1", ES512: "secp521r1" };
    for (const algorithm of ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]) {
      const store = createService();
      setKey(store, rsa.publicKey);
      const result = createDecider(store)(["jwt"], bearer(createJwt(rsa.privateKey, algorithm)));
      expect(result, algorithm).toMatchObject({ caller: { jwt: { keyIssuer: issuer } } });
    }
    for (const [algorithm, namedCurve] of Object.entries(curves)) {
      const store = createService();
      const pair = generateKeyPairSync("ec", { namedCurve });
      setKey(store, pair.publicKey);
      const result = createDecider(store)(["jwt"], bearer(createJwt(pair.privateKey, algorithm)));
      expect(result.kind, algorithm).toBe("caller");
    }
  });

  it("refuses with a reason: none, confusion, times, claims, forms", () => {
    const store = createService();
    setKey(store, rsa.publicKey);
    const decide = createDecider(store);
    const token = (payload: object, header: object = {}) =>
      createJwt(rsa.privateKey, "RS256", payload, header);
    const good = token({});
    const cases: readonly (readonly [RegExp, string])[] = [
      [/^Malformed JWT: must contain exactly 3 parts$/, "a.b"],
      [/^Malformed JWT/, `${good}.x`],
      [/^JWT header does not follow schema: alg/, token({}, { alg: "none" })],
      [/^JWT header does not follow schema: alg/, token({}, { alg: "HS256" })],
      [/^JWT header does not follow schema: kid/, token({}, { kid: 1 })],
      [/^JWT signing key not found for kid x$/, token({}, { kid: "x" })],
      [/^Signature verification failed$/, token({}, { alg: "ES256" })],
      [/^Signature verification failed$/, token({}, { alg: "PS256" })],
      [/^Signature verification failed$/, good.replace(/\.[^.]*$/, ".AAAA")],
      [/^JWT payload is missing required field: exp$/, token({ exp: undefined })],
      [/^JWT payload is missing required field: exp is/, token({ exp: "1" })],
      [/^JWT payload is missing required field: iss$/, token({ iss: 1 })],
      [/^Kid k failed issuer constraint validation/, token({ iss: "https://evil.example" })],
      [/^Kid k failed issuer constraint validation/, token({ tid: "tenant" })],
      [/before token's Not Before \(nbf\) claim/, token({ nbf: nowSeconds + 1 })],
      [/after token's Expiration Time \(exp\) claim/, token({ exp: nowSeconds - 1 })],
    ];
    for (const [words, text] of cases) {
      expect(reasonOf(decide(["jwt"], bearer(text))), text).toMatch(words);
    }
    const headers = { authorization: "Basic abc" };
    expect(reasonOf(decide(["jwt"], createRequest({ headers })))).toBe(
      "Authorization header does not have Bearer scheme",
    );
    expect(reasonOf(decide(["jwt"], createRequest({ headers: { authorization: "Bearer" } })))).toBe(
      "Authorization header only contains one field",
    );
    const result = decide(["jwt"], createRequest({}));
    if (result.kind === "caller") throw new Error("it was let in");
    expect(refusalToResponse(result).headers["www-authenticate"]).toMatch(/^Bearer realm=/);
  });

  it("forgets a verified token when its key changes, and when its time is over", () => {
    const store = createService();
    setKey(store, rsa.publicKey);
    const decide = createDecider(store);
    const request = bearer(createJwt(rsa.privateKey, "RS256"));
    expect(decide(["jwt"], request).kind).toBe("caller");
    expect(decide(["jwt"], request, nowMs + 60_000).kind).toBe("caller");
    expect(reasonOf(decide(["jwt"], request, nowMs + 61_000))).toMatch(/^Current time/);
    setKey(store, generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey);
    expect(reasonOf(decide(["jwt"], request))).toBe("Signature verification failed");
    setKey(store, rsa.publicKey);
    expect(decide(["jwt"], request).kind).toBe("caller");
  });

  it("binds Microsoft Entra tenants to their issuer, and allows them nowhere else", () => {
    const entra = "https://login.microsoftonline.com/{tenantid}/v2.0";
    const of = (tenant: string) => `https://login.microsoftonline.com/${tenant}/v2.0`;
    const cases: readonly (readonly [boolean, string, string | undefined, string])[] = [
      [true, of("t1"), "t1", entra],
      [false, of("t1"), "t2", entra],
      [false, of("t1"), undefined, entra],
      [true, of("t1"), "t1", of("t1")],
      [false, of("t2"), "t2", of("t1")],
      [false, of("$&"), "t1", entra],
      [true, issuer, undefined, issuer],
      [false, issuer, "t1", issuer],
      [true, "name", undefined, "name"],
      [false, of("t1"), "t1", "https://login.microsoftonline.com.evil.example/{tenantid}/v2.0"],
    ];
    for (const [wanted, iss, tid, constraint] of cases) {
      expect(isIssuerAllowed(iss, tid, constraint), `${iss} ${tid} ${constraint}`).toBe(wanted);
    }
  });

  it("parses any text to a token or a reason, in bounded time", () => {
    const part = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc.jsonValue().map(encode),
      fc.record({ alg: fc.constantFrom("RS256", "none"), kid: fc.string() }).map(encode),
      fc.record({ exp: fc.oneof(fc.double(), fc.string()), iss: fc.string() }).map(encode),
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(part, { maxLength: 5 }).map((p) => p.join(".")),
    );
    fc.assert(
      fc.property(text, (token) => {
        const parsed = parseJwt(token);
        if (typeof parsed !== "string") expect(Number.isFinite(parsed.exp)).toBe(true);
      }),
      { numRuns: 5000 },
    );
    const started = performance.now();
    expect(parseJwt(".".repeat(1e6))).toMatch(/^Malformed/);
    expect(parseJwt(`${"a".repeat(1e7)}.b.c`)).toMatch(/^Malformed/);
    expect(performance.now() - started).toBeLessThan(200);
  });
});

function createMessage(identity: Identity, headers: readonly [string, string | number][]) {
  const kid = new TextEncoder().encode(identity.certificate.fingerprint);
  return signCoseSign1({
    signer: identity.key,
    headers: new Map<string | number, string | number | Uint8Array>([[4, kid], ...headers]),
    payload: new TextEncoder().encode("{}"),
  });
}

describe("signed requests", () => {
  const proposal: [string, string | number][] = [
    ["ccf.gov.msg.type", "proposal"],
    ["ccf.gov.msg.created_at", nowSeconds],
  ];
  const cose = (body: Uint8Array) =>
    createRequest({ headers: { "content-type": "application/cose" }, body });

  it("identify members, and tell active ones from others", () => {
    const store = createService();
    const decide = createDecider(store);
    const request = cose(createMessage(member, proposal));
    expect(decide(["member_cose_sign1"], request, nowMs, "proposal")).toMatchObject({
      caller: { id: member.certificate.fingerprint, data: { name: "m" } },
    });
    expect(reasonOf(decide(["active_member_cose_sign1"], request, nowMs, "proposal"))).toBe(
      "Signer is not an ACTIVE member",
    );
    const change = store.begin("node");
    memberInfoTable(change).set(member.certificate.fingerprint, { status: "Active" });
    store.commit(change);
    expect(decide(["active_member_cose_sign1"], request, nowMs, "proposal").kind).toBe("caller");
    expect(reasonOf(decide(["member_cose_sign1"], request, nowMs, "ballot"))).toMatch(/^Found/);
    expect(reasonOf(decide(["member_cose_sign1"], cose(createMessage(user, proposal))))).toBe(
      "Signer is not a known member",
    );
    expect(decide(["user_cose_sign1"], cose(createMessage(user, []))).kind).toBe("caller");
  });

  it("are refused without the content type, and malformed ones are told apart", () => {
    const decide = createDecider(createService());
    expect(reasonOf(decide(["user_cose_sign1"], createRequest({})))).toBe(
      "Missing content-type header",
    );
    const headers = { "content-type": "application/json" };
    expect(reasonOf(decide(["user_cose_sign1"], createRequest({ headers })))).toBe(
      "Content type is not set to application/cose",
    );
    const bad = decide(["member_cose_sign1"], cose(createMessage(member, [])));
    expect(bad).toEqual({ kind: "malformed", reason: "Missing created_at in protected header" });
    if (bad.kind === "caller") throw new Error("it was let in");
    expect(refusalToResponse(bad).status).toBe(400);
    expect(refusalToResponse(bad, true).status).toBe(500);
  });

  it("are refused after any byte was changed, and never throw", () => {
    const decide = createDecider(createService());
    const message = createMessage(member, proposal);
    fc.assert(
      fc.property(fc.nat(message.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const body = message.map((byte, index) => (index === at ? byte ^ mask : byte));
        const result = decide(["member_cose_sign1"], cose(body), nowMs, "proposal");
        expect(result.kind).not.toBe("caller");
      }),
      { numRuns: 600 },
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.uint8Array({ maxLength: 60 }).map((rest) => Uint8Array.of(0xd2, 0x84, ...rest)),
      fc.jsonValue().map((value) => encodeCbor(value as never)),
    );
    fc.assert(
      fc.property(bytes, (body) => {
        expect(decide(["user_cose_sign1"], cose(body)).kind).not.toBe("caller");
      }),
      { numRuns: 2000 },
    );
  });
});

describe("all_of", () => {
  it("needs every part, and names the first that fails", () => {
    const store = createService();
    setKey(store, rsa.publicKey);
    const decide = createDecider(store);
    const policy = { all_of: ["user_cert", "jwt"] };
    const headers = { authorization: `Bearer ${createJwt(rsa.privateKey, "RS256")}` };
    const both = createRequest({ certificate: user.certificate, headers });
    expect(decide([policy], both)).toMatchObject({
      caller: {
        policy: ["jwt", "user_cert"],
        parts: { jwt: { policy: "jwt" }, user_cert: { policy: "user_cert" } },
      },
    });
    const result = decide([policy, "no_auth"], createRequest({ headers }));
    expect(result).toMatchObject({ caller: { policy: "no_auth" } });
    const refusal = decide([policy], createRequest({ headers }));
    expect(refusal).toMatchObject({
      failures: [{ auth_policy: "jwt+user_cert", message: "user_cert:No caller user certificate" }],
    });
  });

  it("throws for a policy that does not exist, whatever it is called", () => {
    const decide = createDecider(createService());
    for (const name of ["magic", "toString", "__proto__"]) {
      expect(() => decide([name], createRequest({}))).toThrow(
        expect.objectContaining({ code: "UnknownAuthPolicy" }),
      );
    }
  });
});
