import { copyFileSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { coco, createTestDirectory } from "../run.testing.ts";
import { hasVectors, keysOf, ledgerOf } from "../vectors.testing.ts";

const temporary = createTestDirectory();
const services = {
  acme_containing_service: {
    verified: [4, 22, 8, 8, "2.22", "0f99a9c8"],
    decrypted: [3, 3, 1, 22],
  },
  cose_flipflop_service: { verified: [2, 46, 23, 5, "2.46", "ed9a30db"], decrypted: [1, 1, 1, 46] },
  expired_service: { verified: [8, 74, 26, 18, "4.74", "75063b27"], decrypted: [3, 3, 2, 74] },
  sgx_service: { verified: [11, 153, 54, 0, "8.153", "98fa398f"], decrypted: [3, 3, 4, 153] },
  live_service: { verified: [2, 66, 8, 8, "2.66", "240d392f"], decrypted: [1, 1, 2, 66] },
};
const names = Object.keys(services) as (keyof typeof services)[];

/** A copy of a ledger that the test may damage. */
function copyLedger(service: string, name: string): string {
  const target = join(temporary, name);
  cpSync(ledgerOf(service), target, { recursive: true });
  return target;
}

describe.skipIf(!hasVectors)("ledger verify", () => {
  // Goal: real ledgers verify against their own service, in exactly the promised JSON shape.
  test.each(names)("%s", async (service) => {
    const certificate = join(keysOf(service), "service_cert.pem");
    const line = ["ledger", "verify", ledgerOf(service), "--service-cert", certificate, "--json"];
    const { code, out, json } = await coco(line);
    expect(code).toBe(0);
    expect(out.split("\n")).toHaveLength(2);
    const facts = json();
    expect(Object.keys(facts)).toEqual([
      "ok",
      "chunks",
      "transactions",
      "signatures",
      "coseSignatures",
      "lastTxId",
      "root",
    ]);
    const { ok, root, ...rest } = facts as { ok: boolean; root: string };
    const [chunks, transactions, signatures, coseSignatures, lastTxId, rootStart] =
      services[service].verified;
    expect(ok).toBe(true);
    expect(root).toMatch(/^[0-9a-f]{64}$/);
    expect(root.slice(0, 8)).toBe(rootStart);
    expect(rest).toEqual({ chunks, transactions, signatures, coseSignatures, lastTxId });
  });

  // Goal: the certificate can come from the environment, and another service's is refused.
  test("the wrong service certificate ends with exit code 4", async () => {
    const environment = { COCO_SERVICE_CERT: join(keysOf("sgx_service"), "service_cert.pem") };
    const line = ["ledger", "verify", ledgerOf("live_service"), "--json"];
    const { code, json, talk } = await coco(line, environment);
    expect(code).toBe(4);
    expect(json()).toMatchObject({ ok: false, error: { code: "UntrustedService", number: 2109 } });
    expect(talk).toMatch(/^COCO-2109 The ledger does not belong to the given service/m);
  });

  // Goal: a damaged ledger ends with exit code 4 and names the file, the byte and the seqno.
  test("a flipped byte", async () => {
    const directory = copyLedger("live_service", "flipped");
    const path = join(directory, "ledger_1-15.committed");
    const bytes = readFileSync(path);
    bytes[2000] = bytes[2000]! ^ 1;
    writeFileSync(path, bytes);
    const { code, json, talk } = await coco(["ledger", "verify", directory, "--json"]);
    expect(code).toBe(4);
    expect(json().error).toMatchObject({
      file: "ledger_1-15.committed",
      seqno: expect.any(Number),
      offset: expect.any(Number),
    });
    expect(talk).toContain("ledger_1-15.committed, byte ");
    expect(talk).not.toContain("    at ");
  });

  // Goal: a missing, swapped or cut-off chunk is refused with its name.
  test("missing, swapped and cut-off chunks", async () => {
    const missing = copyLedger("expired_service", "missing");
    rmSync(join(missing, "ledger_16-26.committed"));
    const swapped = copyLedger("expired_service", "swapped");
    copyFileSync(join(swapped, "ledger_47-48.committed"), join(swapped, "ledger_27-28.committed"));
    const cut = copyLedger("expired_service", "cut");
    const path = join(cut, "ledger_29-46.committed");
    writeFileSync(path, readFileSync(path).subarray(0, -100));
    const expectations = [
      [missing, "ledger_27-28.committed"],
      [swapped, "ledger_27-28.committed"],
      [cut, "ledger_29-46.committed"],
    ] as const;
    for (const [directory, file] of expectations) {
      const { code, talk } = await coco(["ledger", "verify", directory]);
      expect(code).toBe(4);
      expect(talk).toContain(file);
    }
  });

  // Goal: with -vv the causes are shown, without it never a stack.
  test("-vv shows the stack", async () => {
    const directory = copyLedger("live_service", "verbose");
    writeFileSync(join(directory, "ledger_16"), "nonsense");
    const { talk } = await coco(["ledger", "verify", directory, "-vv"]);
    expect(talk).toContain("    at ");
  });
});

describe("ledger verify without a ledger", () => {
  // Goal: a directory without ledger files is foreign input, a missing one a failure.
  test("exit codes", async () => {
    writeFileSync(join(temporary, "notes.txt"), "no ledger");
    expect((await coco(["ledger", "verify", temporary])).code).toBe(4);
    const missing = await coco(["ledger", "verify", join(temporary, "nowhere")]);
    expect(missing.code).toBe(1);
    expect(missing.talk).toContain("COCO-9001");
    expect((await coco(["ledger", "verify"])).code).toBe(2);
  });
});

describe.skipIf(!hasVectors)("ledger decrypt", () => {
  // Goal: members' keys open every private part of real ledgers.
  test.each(names)("%s", async (service) => {
    const line = ["ledger", "decrypt", ledgerOf(service), "--member-keys", keysOf(service)];
    const { code, json } = await coco([...line, "--json"]);
    expect(code).toBe(0);
    const [threshold, sharesUsed, ledgerSecrets, transactions] = services[service].decrypted;
    const privateDecrypted = transactions;
    const facts = { threshold, sharesUsed, ledgerSecrets, transactions, privateDecrypted };
    expect(json()).toMatchObject({ ok: true, ...facts });
  });

  // Goal: the history of a private table is readable, in order.
  test("--table prints a history", async () => {
    const line = ["ledger", "decrypt", ledgerOf("live_service"), "--table", "records"];
    const keys = ["--member-keys", keysOf("live_service")];
    const { json } = await coco([...line, ...keys, "--json"]);
    const history = json().history as { txId: string; operation: string; value?: string }[];
    expect(history[0]).toMatchObject({
      txId: "2.17",
      operation: "set",
      key: "42",
      value: "Hello private world!",
    });
    expect(history.some(({ operation }) => operation === "remove")).toBe(true);
    const text = await coco([...line, ...keys]);
    expect(text.out).toMatch(/^2\.17 +set +42 +Hello private world!$/m);
    const unknown = await coco([...line.slice(0, 4), "nosuch", ...keys]);
    expect(unknown.code).toBe(1);
    expect(unknown.talk).toContain("COCO-9023");
  });

  // Goal: too few keys, foreign keys and no keys are told apart, and none decrypts.
  test("wrong keys", async () => {
    const one = join(temporary, "one-key");
    cpSync(keysOf("expired_service"), one, { recursive: true });
    for (const name of readdirSync(one)) {
      if (/^member[12]_enc/.test(name)) rmSync(join(one, name));
    }
    const ledger = ["ledger", "decrypt", ledgerOf("expired_service"), "--member-keys"];
    const few = await coco([...ledger, one, "--json"]);
    expect(few.code).toBe(4);
    expect(few.json()).toMatchObject({ ok: false, error: { code: "NotEnoughShares" } });
    const foreign = await coco([...ledger, keysOf("acme_containing_service")]);
    expect(foreign.code).toBe(4);
    const none = await coco([...ledger, ledgerOf("expired_service")]);
    expect(none.code).toBe(1);
    expect(none.talk).toContain("COCO-9021");
  });
});

describe.skipIf(!hasVectors)("ledger list and show", () => {
  // Goal: transactions are listed with their place, one JSON line each, within the range.
  test("list", async () => {
    const line = ["ledger", "list", ledgerOf("live_service"), "--from", "17", "--to", "19"];
    const { out } = await coco([...line, "--json"]);
    const items = out
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text));
    expect(items.map(({ txId }) => txId)).toEqual(["2.17", "2.18", "2.19"]);
    expect(items[0]).toMatchObject({ file: "ledger_16", hasPrivatePart: true, tables: [] });
    expect(items[1].tables).toContain("public:ccf.internal.signatures");
    expect((await coco(line)).out).toMatch(/^2\.18 +ledger_16 /m);
  });

  // Goal: one transaction is shown; its private writes only with the members' keys.
  test("show", async () => {
    const line = ["ledger", "show", ledgerOf("live_service"), "2.17", "--json"];
    const locked = (await coco(line)).json();
    expect(locked).toMatchObject({ txId: "2.17", tables: {} });
    expect(locked).not.toHaveProperty("privateTables");
    const opened = (await coco([...line, "--member-keys", keysOf("live_service")])).json();
    expect(opened.privateTables).toMatchObject({ records: [{ operation: "set", key: "42" }] });
    for (const [id, code] of [
      ["2.9999", 1],
      ["3.17", 1],
      ["x", 2],
    ] as const) {
      expect((await coco(["ledger", "show", ledgerOf("live_service"), id])).code).toBe(code);
    }
  });
});
