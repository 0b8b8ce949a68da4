import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { coco, createTestDirectory } from "../run.testing.ts";
import { hasVectors, keysOf, readRecorded } from "../vectors.testing.ts";

const temporary = createTestDirectory();
const recordedPath = "/node/receipt?transaction_id=2.17";

describe.skipIf(!hasVectors)("receipt verify", () => {
  const certificate = () => join(keysOf("live_service"), "service_cert.pem");
  const write = (name: string, content: string) => {
    const path = join(temporary, name);
    writeFileSync(path, content);
    return path;
  };

  // Goal: a live node's receipt verifies offline and says which transaction it proves.
  test("a real receipt", async () => {
    const file = write("receipt.json", readRecorded(recordedPath));
    const line = ["receipt", "verify", file, "--service-cert", certificate()];
    const { code, json } = await coco([...line, "--json"]);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ ok: true, txId: "2.17", root: expect.any(String) });
    expect((await coco(line)).out).toMatch(/^transaction +2\.17$/m);
  });

  // Goal: changed receipts, other services, other claims and foreign files end with exit code 4.
  test("what does not verify", async () => {
    const receipt = readRecorded(recordedPath);
    const good = write("good.json", receipt);
    const changed = write("changed.json", receipt.replace('"left"', '"right"'));
    const noJson = write("text.json", "hello");
    const cbor = write("receipt.cose", "\u00d2\u0084");
    const other = join(keysOf("sgx_service"), "service_cert.pem");
    const lines = [
      [changed, "--service-cert", certificate()],
      [noJson, "--service-cert", certificate()],
      [cbor, "--service-cert", certificate()],
      [good, "--service-cert", other],
      [good, "--service-cert", good],
      [good, "--service-cert", certificate(), "--claims", noJson],
    ];
    for (const line of lines) {
      const { code, json } = await coco(["receipt", "verify", ...line, "--json"]);
      expect([line, code]).toEqual([line, 4]);
      expect(json()).toMatchObject({ ok: false });
    }
  });
});

describe("receipt get", () => {
  // Goal: without a service the command says what to give; without a node the exit code is 3.
  test("no service, no node", async () => {
    const nowhere = join(temporary, "nowhere");
    const none = await coco(["receipt", "get", "2.17", "--sandbox", nowhere]);
    expect(none.code).toBe(1);
    expect(none.talk).toContain("COCO-9040");
    const file = join(temporary, "service.pem");
    writeFileSync(file, "");
    const line = ["receipt", "get", "2.17", "--url", "https://127.0.0.1:1", "--service-cert", file];
    const refused = await coco(line);
    expect(refused.code).toBe(3);
    expect(refused.talk).toContain("COCO-8000");
  });
});
