/** Script applications under the guard, as the executor runs them. */
import { expect, test } from "vitest";
import { createTestHost, endpointOf } from "../../runtime/src/app/script-application.testing.ts";
import { createAppCrypto } from "./app-crypto.ts";
import { createVmGuard } from "./guard.ts";

const source = `
  let count = 0;
  export function add() { count += 1; return { body: count }; }
  export function loop() {
    ccf.kv["public:t"].set(ccf.strToBuf("k"), ccf.strToBuf("half"));
    try { for (;;); } finally { count = 1000; }
  }
  export async function jobs() { for (;;) await null; }
  export function toJson() { return { body: { toJSON() { for (;;); } } }; }
  export function deep() { const f = () => { ccf.kv["public:t"].size; f(); }; f(); }
  export function late() { return { body: ccf.kv["public:t"].has(ccf.strToBuf("k")) }; }
`;
const names = ["add", "loop", "jobs", "toJson", "deep", "late"];
const host = createTestHost(createAppCrypto());
host.install(
  Object.fromEntries(
    names.map((name) => [`/${name}`, { post: endpointOf("a.js", name, "readwrite", "key") }]),
  ),
  { "a.js": source },
);
const guard = createVmGuard();
const send = (name: string, limitMs = 10_000) =>
  guard.run(limitMs, () => host.send("POST", `/${name}`));

test("a terminated program is not used again, the others are, and nothing is written", () => {
  expect(send("add").text).toBe("1");
  expect(send("add").text).toBe("2");
  for (const name of ["loop", "jobs", "toJson"]) {
    const seqno = host.store.seqno;
    expect(() => send(name, 200)).toThrow(/ran too long/);
    host.store.repair();
    expect(host.store.seqno).toBe(seqno);
    // The module was evaluated anew.
    expect(send("add").text).toBe("1");
    expect(send("add").text).toBe("2");
  }
  expect(send("late").text).toBe("false");
});

test("a stack that overflows ends in 500, and the program goes on", () => {
  expect(send("deep").status).toBe(500);
  expect(send("add").status).toBe(200);
});
