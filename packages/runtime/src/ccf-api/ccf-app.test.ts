/** The npm package `@microsoft/ccf-app`, unmodified, over this project's `ccf` global. */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { CCF, KvMap as CcfKvMap } from "@microsoft/ccf-app/global.js";
import { expect, expectTypeOf, test } from "vitest";
import { createTestHost, endpointOf } from "../app/script-application.testing.ts";
import type { KvMap } from "./kv.ts";

const folder = dirname(createRequire(import.meta.url).resolve("@microsoft/ccf-app"));

/** The modules of the package as a bundle holds them; the polyfill is for Node.js only. */
const packageModules = Object.fromEntries(
  readdirSync(folder)
    .filter((name) => name.endsWith(".js") && name !== "polyfill.js")
    .map((name) => [`ccf-app/${name}`, readFileSync(join(folder, name), "utf8")]),
);

const main = `
  import * as app from "./ccf-app/index.js";
  import { ccf } from "./ccf-app/global.js";
  import * as crypto from "./ccf-app/crypto.js";
  import * as consensus from "./ccf-app/consensus.js";
  import * as rpc from "./ccf-app/endpoints.js";

  export function tables() {
    const log = app.typedKv("public:log", app.uint32, app.json());
    log.set(3, { a: 1 }).set(1, { b: "ü" });
    const set = app.typedKvSet("public:set", app.string);
    set.add("x"); set.add("y"); set.delete("x");
    const found = [];
    log.forEach((value, key, map) => found.push([key, value, map === log]));
    set.forEach((key) => found.push(key));
    return { body: { found: found.sort(), size: [log.size, set.size], has: log.has(3),
      none: log.get(9) === undefined, version: log.getVersionOfPreviousWrite(3) === undefined } };
  }
  export function converters() {
    const rounds = [[app.bool, true], [app.int8, -5], [app.uint8, 200], [app.int16, -3000],
      [app.uint16, 60000], [app.int32, -7], [app.uint32, 4e9], [app.int64, -5n],
      [app.uint64, 2n ** 60n],
      [app.float32, 0.5], [app.float64, Math.PI], [app.string, "é😀"], [app.json(), { a: [1] }],
      [app.checkedJson(), { b: null }]];
    const bytes = new Uint8Array([1, 2]);
    const array = app.typedArray(Uint8Array);
    const isSame = ([c, v]) =>
      JSON.stringify(c.decode(c.encode(v)), big) === JSON.stringify(v, big);
    return { body: rounds.every(isSame)
      && array.decode(array.encode(bytes))[1] === 2 };
    function big(_, v) { return typeof v === "bigint" ? String(v) : v }
  }
  export function others() {
    const key = crypto.generateAesKey(256);
    rpc.setClaimsDigest(crypto.digest("SHA-256", key));
    rpc.setApplyWrites(false);
    const { view, seqno } = consensus.getLastCommittedTxId();
    return { body: [key.byteLength, consensus.getStatusForTxId(view, seqno),
      consensus.getViewForSeqno(seqno), ccf === globalThis.ccf] };
  }`;

const host = createTestHost();
host.install(
  {
    "/tables": { post: endpointOf("main.js", "tables") },
    "/converters": { post: endpointOf("main.js", "converters") },
    "/others": { post: endpointOf("main.js", "others") },
  },
  { ...packageModules, "main.js": main },
);
host.setOptions({ return_exception_details: true });

test("typed tables and sets", () => {
  expect(host.send("POST", "/tables").json).toEqual({
    found: [[1, { b: "ü" }, true], [3, { a: 1 }, true], "y"],
    size: [2, 1],
    has: true,
    none: true,
    version: true,
  });
});

test("every converter gives back what it took", () => {
  expect(host.send("POST", "/converters").json).toBe(true);
});

test("wrappers of crypto, consensus and rpc", () => {
  const response = host.send("POST", "/others");
  expect(response.json).toEqual([32, "Committed", 2, true]);
  expect(response.claimsDigest).toHaveLength(32);
});

test("the types of tables fit those of the package", () => {
  expectTypeOf<KvMap>().toExtend<CcfKvMap>();
  expectTypeOf<CCF["kv"][string]["get"]>().toEqualTypeOf<KvMap["get"]>();
});
