/** CCF's own sample and test applications, unmodified, from its source tree. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { bytesToHex } from "@coco/base";
import { createNodeCrypto, generateSigningKey } from "@coco/base/node";
import { describe, expect, test } from "vitest";
import { createTestHost, type TestHost } from "../../runtime/src/app/script-application.testing.ts";
import { createAppCrypto } from "./app-crypto.ts";

/** A checkout of CCF; the tests are skipped without it. */
const ccfSource = process.env["COCO_CCF_SOURCE"] ?? "";
/** Folders of the two apps that need a build: `dist` beside `app.json`. */
const builtApps = process.env["COCO_CCF_BUILT_APPS"] ?? "";

const withSource = test.skipIf(!existsSync(join(ccfSource, "samples")));
const withBuiltApps = test.skipIf(!existsSync(join(builtApps, "npm-app", "dist")));

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".js"))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

/** Installs `app.json` and the modules under `src`. */
function hostOf(folder: string, modulesFolder = join(folder, "src")): TestHost {
  const host = createTestHost(createAppCrypto());
  const { endpoints } = JSON.parse(readFileSync(join(folder, "app.json"), "utf8"));
  const files = filesUnder(modulesFolder);
  const modules = Object.fromEntries(
    files.map((name) => [name, readFileSync(join(modulesFolder, name), "utf8")]),
  );
  host.install(endpoints, modules);
  host.setOptions({ return_exception_details: true });
  return host;
}

describe("samples/apps", () => {
  withSource("logging: write, read, delete, count, claims, identity", () => {
    const host = hostOf(join(ccfSource, "samples/apps/logging/js"));
    const body = { id: 42, msg: "Hello world" };
    expect(host.send("POST", "/log/private", { body }).text).toBe("true");
    expect(host.send("GET", "/log/private?id=42").json).toEqual({ msg: "Hello world" });
    expect(host.send("GET", "/log/private?id=43").status).toBe(404);
    expect(host.send("GET", "/log/private/count").json).toBe(1);
    expect(host.send("DELETE", "/log/private?id=42").text).toBe("true");
    expect(host.send("GET", "/log/private/count").json).toBe(0);
    const claim = { ...body, record_claim: true };
    const { claimsDigest } = host.send("POST", "/log/public", { body: claim });
    expect(bytesToHex(claimsDigest!)).toBe(
      "64ec88ca00b268e5ba1a35678a1b5316d212f4f366b2477232534a8aeca37f3c",
    );
    const raw = { body: "raw text", headers: { "content-type": "text/plain" } };
    expect(host.send("POST", "/log/private/raw_text/7", raw).text).toBe("true");
    const wrong = { body: "x", headers: { "content-type": "foo/bar" } };
    expect(host.send("POST", "/log/private/raw_text/7", wrong).status).toBe(415);
    expect(host.send("GET", "/log/private?id=7").json).toEqual({ msg: "raw text" });
    const caller = { policy: "no_auth" } as const;
    expect(host.send("POST", "/multi_auth", { caller }).text).toContain("Unauthenticated");
    const { json } = host.send("GET", "/log/public/historical/range?id=42&to_seqno=999");
    expect(json).toMatchObject({ error: { code: "InvalidInput" } });
  });

  withSource("logging: custom authentication inside the handler", () => {
    const host = hostOf(join(ccfSource, "samples/apps/logging/js"));
    const headers = { "x-custom-auth-name": "Alice", "x-custom-auth-age": "42" };
    expect(host.send("GET", "/custom_auth", { headers }).json).toEqual({
      name: "Alice",
      age: 42,
      description: "Your name is Alice and you are 42",
    });
    expect(host.send("GET", "/custom_auth").status).toBe(401);
    const explode = { headers: { "x-custom-auth-explode": "Boom goes the dynamite" } };
    const { json } = host.send("GET", "/custom_auth", explode);
    expect(json).toMatchObject({
      error: { details: [{ message: "Error: Boom goes the dynamite" }] },
    });
  });

  withSource("basic: bytes by key", () => {
    const host = hostOf(join(ccfSource, "samples/apps/basic/js"));
    expect(host.send("PUT", "/records/a", { body: "value" }).status).toBe(204);
    expect(host.send("GET", "/records/a").text).toBe("value");
    expect(host.send("POST", "/records", { body: { b: "1", c: "2" } }).status).toBe(204);
    expect(host.send("GET", "/records/c").text).toBe("2");
  });
});

describe("tests", () => {
  withSource("js-modules: static and dynamic imports", () => {
    for (const name of ["basic-module-import", "dynamic-module-import"]) {
      const host = hostOf(join(ccfSource, "tests/js-modules", name));
      expect(host.send("POST", "/test_module")).toMatchObject({
        status: 201,
        text: "Hello world!",
      });
    }
  });

  withSource("js-app-bundle: calculator", () => {
    const host = hostOf(join(ccfSource, "tests/js-app-bundle"));
    const body = { op: "sub", left: 82, right: 40 };
    expect(host.send("POST", "/compute", { body })).toMatchObject({
      headers: { "content-type": "application/json" },
      json: { result: 42 },
    });
    expect(host.send("GET", "/compute2/mul/5/7").json).toEqual({ result: 35 });
  });

  withSource("js-api: echo, random numbers, time", () => {
    const host = hostOf(join(ccfSource, "tests/js-api"));
    const endpoint = { headers: { "x-my": "header", host: "somewhere" } };
    const { text } = host.send("POST", "/echo?a=1", endpoint);
    expect(JSON.parse(text)).toMatchObject({
      path: "/app/echo",
      query: "a=1",
      url: "/app/echo?a=1",
      method: "POST",
      headers: endpoint.headers,
      hostname: "somewhere",
      route: "/app/echo",
    });
    const { a, b } = host.send("GET", "/make_randoms").json as { a: number; b: number };
    expect(a !== b && a >= 0 && a < 1).toBe(true);
    expect(host.send("GET", "/fibonacci/10").json).toEqual({ n: 10, fib: 55 });
    expect(host.send("GET", "/time_now").json).toEqual({
      definitely_1970: "1970-01-01T00:00:00.000Z",
      definitely_now: "2023-11-14T22:13:20.000Z",
      untrusted_on: "2023-11-14T22:13:20.000Z",
      untrusted_off: "2023-11-14T22:13:20.000Z",
    });
  });

  withSource("js-content-types: text, JSON, bytes, own types", () => {
    const host = hostOf(join(ccfSource, "tests/js-content-types"));
    const send = (path: string, type: string, body: string | Uint8Array | object) =>
      host.send("POST", path, { headers: { "content-type": type }, body });
    expect(send("/text", "text/plain", "text")).toMatchObject({
      status: 200,
      headers: { "content-type": "text/plain" },
      text: "text",
    });
    expect(send("/json", "application/json", { foo: "bar" })).toMatchObject({
      headers: { "content-type": "application/json" },
      json: { foo: "bar" },
    });
    const binary = send("/binary", "application/octet-stream", new Uint8Array(42));
    expect(binary.headers).toEqual({ "content-type": "application/octet-stream" });
    expect(binary.bytes).toEqual(new Uint8Array(42));
    expect(send("/custom", "foo/bar", "text").headers).toEqual({ "content-type": "text/plain" });
  });

  withSource("js-limits: ordinary depth, size and time", () => {
    const host = hostOf(join(ccfSource, "tests/js-limits"));
    expect(host.send("POST", "/recursive", { body: { depth: 50 } }).status).toBe(200);
    expect(host.send("POST", "/recursive", { body: { depth: 1e6 } }).status).toBe(500);
    expect(host.send("POST", "/alloc", { body: { size: 1024 } }).status).toBe(200);
    host.setOptions({ max_heap_bytes: 11 * 1024 * 1024 });
    expect(host.send("POST", "/alloc", { body: { size: 12 * 1024 * 1024 } }).status).toBe(500);
  });

  withSource("js-interpreter-reuse: cached results by key", () => {
    const folder = join(ccfSource, "tests/js-interpreter-reuse");
    const host = createTestHost();
    const { endpoints } = JSON.parse(readFileSync(join(folder, "app.json"), "utf8"));
    const names = ["cache.js", "bad_fib.js", "func_caching.js"];
    const modules = names.map((name) => [name, readFileSync(join(folder, "src", name), "utf8")]);
    const others = { "di_sample.js": "", "global_handle.js": "" };
    host.install(endpoints, { ...Object.fromEntries(modules), ...others });
    const fibonacci = (key: string) =>
      host.send("POST", `/fibonacci/reuse/${key}`, { body: { n: 10 } }).json;
    const fresh = { fib: 89, wasCached: false };
    const cached = { fib: 89, wasCached: true };
    expect([fibonacci("none"), fibonacci("none")]).toEqual([fresh, fresh]);
    expect([fibonacci("a"), fibonacci("a"), fibonacci("b")]).toEqual([fresh, cached, fresh]);
  });
});

describe("built apps", () => {
  withBuiltApps("js-interpreter-reuse: dependency injection, kept handles", () => {
    const folder = join(builtApps, "js-interpreter-reuse");
    const host = hostOf(folder, join(folder, "dist/src"));
    expect(host.send("POST", "/di")).toMatchObject({ status: 200 });
    expect(host.send("POST", "/di")).toMatchObject({ status: 200 });
    const increment = () => host.send("POST", "/increment").json;
    expect([increment(), increment(), increment()]).toEqual([
      { value: 0 },
      { value: 1 },
      { value: 2 },
    ]);
    for (const body of [{ foo: "bar" }, { hello: "world" }]) {
      expect(host.send("POST", "/globals", { body }).json).toEqual(body);
    }
  });

  withBuiltApps("npm-app: libraries, typed tables, converters, keys", () => {
    const folder = join(builtApps, "npm-app");
    const host = hostOf(folder, join(folder, "dist/src"));
    const post = (path: string, body?: object) =>
      host.send("POST", path, body === undefined ? {} : { body });
    expect(post("/partition", [1, 2, 3, 4]).json).toEqual([
      [1, 3],
      [2, 4],
    ]);
    const proto = post("/proto", [1, 2, 3, 4]);
    expect(proto.headers["content-type"]).toBe("application/x-protobuf");
    expect(post("/converters/set").text).toContain("Passed");
    expect(host.send("GET", "/converters/get").text).toContain("Passed");
    expect(host.send("GET", "/crypto").json).toEqual({ available: true });
    expect(host.send("GET", "/log?id=42").status).toBe(404);
    expect(post("/log?id=42", { msg: "Hello!" }).status).toBe(200);
    expect(host.send("GET", "/log?id=42").json).toEqual({ id: 42, msg: "Hello!" });
    expect(host.send("GET", "/log/all").json).toEqual([{ id: 42, msg: "Hello!" }]);
    const digest = { algorithm: "SHA-256", data: btoa("Hello world!") };
    expect(post("/digest", digest).text).toBe(
      "c0535e4be2b79ffd93291305436bf889314e4a3faec05ecffcbb7df31ad9e51a",
    );
  });

  withBuiltApps("npm-app: keys wrapped, data signed, failures told", () => {
    const folder = join(builtApps, "npm-app");
    const host = hostOf(folder, join(folder, "dist/src"));
    const post = (path: string, body: object) => host.send("POST", path, { body });
    const { privateKey, publicKey } = post("/generateRsaKeyPair", { size: 2048 }).json as {
      privateKey: string;
      publicKey: string;
    };
    const algorithms = [
      { name: "RSA-OAEP", label: btoa("label") },
      { name: "RSA-OAEP-AES-KWP", aesKeySize: 256, label: btoa("label") },
    ];
    const key = btoa("0123456789abcdef");
    for (const wrapAlgo of algorithms) {
      const wrapped = post("/wrapKey", { key, wrappingKey: btoa(publicKey), wrapAlgo });
      const text = btoa(String.fromCharCode(...wrapped.bytes));
      const unwrapped = post("/unwrapKey", {
        key: text,
        unwrappingKey: btoa(privateKey),
        wrapAlgo,
      });
      expect(unwrapped.text).toBe("0123456789abcdef");
    }
    const algorithm = { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 };
    const data = btoa("data");
    const signature = post("/sign", { algorithm, key: privateKey, data }).bytes;
    expect(bytesToHex(signature)).toHaveLength(512);
    const request = { algorithm, key: publicKey, data };
    const encoded = btoa(String.fromCharCode(...signature));
    expect(post("/verifySignature", { ...request, signature: encoded }).json).toBe(true);
    const other = { ...request, data: btoa("other"), signature: encoded };
    expect(post("/verifySignature", other).json).toBe(false);
    expect(host.send("GET", "/throw").json).toMatchObject({
      error: { details: [{ code: "JSException", message: "Error: test error: 42" }] },
    });
  });
});

test("the crypto of applications and of the node agree", () => {
  // A goal of its own: the two are separate code over the same library.
  const signer = generateSigningKey("secp256r1");
  const data = new TextEncoder().encode("data");
  const crypto = createAppCrypto();
  const pem = signer.publicPem;
  expect(crypto.verify({ name: "ECDSA", hash: "SHA-256" }, pem, signer.sign(data), data)).toBe(
    true,
  );
  expect(crypto.digest("SHA-256", data)).toEqual(Buffer.from(createNodeCrypto().sha256(data)));
});
