import { mkdtempSync, openSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cleanFacts, createLog } from "./log.ts";

function linesOf(write: (log: ReturnType<typeof createLog>) => void): Record<string, unknown>[] {
  const path = join(mkdtempSync(join(tmpdir(), "coco-log-")), "log");
  write(createLog({ level: "info", thread: "front-0", fileDescriptor: openSync(path, "w") }));
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}

describe("the log", () => {
  test("writes one JSON object per line, from the level on", () => {
    const lines = linesOf((log) => {
      log("debug", "not written");
      log("info", "a session was opened", { session: 7, interface: "primary" });
      log("error", "two\nlines", {});
    });
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({
      level: "info",
      thread: "front-0",
      message: "a session was opened",
      session: 7,
      interface: "primary",
    });
    expect(Date.parse(String(lines[0]?.["time"]))).toBeGreaterThan(0);
    expect(lines[1]).toMatchObject({ level: "error", message: "two\nlines" });
  });

  test("has no way in for payloads, secrets or other lines' keys", () => {
    const nested = { deep: { secret: 1 } } as unknown as Record<string, string>;
    expect(cleanFacts(nested)).toEqual({ deep: "[object]" });
    expect(cleanFacts({ ledgerSecret: "abc", accessToken: "x", body: "y", seqno: 1 })).toEqual({
      ledgerSecret: "[masked]",
      accessToken: "[masked]",
      body: "[masked]",
      seqno: 1,
    });
    const armour = "key: -----BEGIN EC PRIVATE KEY-----\nMHcC";
    expect(cleanFacts({ detail: armour })).toEqual({ detail: "key: [masked]" });
    expect(cleanFacts({ level: "x" })).toEqual({ fact_level: "x" });
    expect(String(cleanFacts({ detail: "x".repeat(5000) })["detail"])).toHaveLength(1024 + 21);
  });
});
