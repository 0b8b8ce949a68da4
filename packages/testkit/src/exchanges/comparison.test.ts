import { describe, expect, it } from "vitest";
import { compareResponses } from "./comparison.ts";

const id = "8f7f78c12379ed5cf03960f9c5f49c094d94252ffa61fb75ded8c4b1abde24cc";
const other = id.replaceAll("8", "7");

function response(body: unknown, changes: object = {}) {
  return {
    status: 200,
    reason: "OK",
    rawHeaders: ["content-length", "9", "content-type", "application/json"],
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...changes,
  };
}

describe("compareResponses", () => {
  // Goal: what only names another service is no difference.
  it("masks identifiers, transactions and addresses", () => {
    const recorded = { node: id, tx: "2.17", text: `Node n[${id}] at 127.0.0.1:8000`, [id]: true };
    const ours = {
      node: other,
      tx: "2.40",
      text: `Node n[${other}] at 127.0.0.1:9`,
      [other]: true,
    };
    expect(compareResponses(response(recorded), response(ours))).toEqual([]);
  });

  // Goal: every other difference is named.
  it.each([
    ["another status", { a: 1 }, { a: 1 }, { status: 404, reason: "NOT_FOUND" }, "status"],
    ["a missing header", { a: 1 }, { a: 1 }, { rawHeaders: ["content-length", "9"] }, "headers"],
    [
      "another media type",
      {},
      {},
      { rawHeaders: ["content-length", "9", "content-type", "x"] },
      "content-type",
    ],
    ["another order of fields", { a: 1, b: 2 }, { b: 2, a: 1 }, {}, "body"],
    ["another type", { a: 1 }, { a: "1" }, {}, "body.a"],
    ["null for a value", { a: {} }, { a: null }, {}, "body.a"],
    ["another text", { a: "Open" }, { a: "Opening" }, {}, "body.a"],
    ["another flag", { a: [true] }, { a: [false] }, {}, "body.a[0]"],
    ["another length", [1, 2], [1], {}, "body"],
    ["text for JSON", { a: 1 }, "a", {}, "body"],
  ])("finds %s", (_title, recorded, ours, changes, place) => {
    const found = compareResponses(response(recorded), response(ours, changes));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^${place.replace(/[[\].]/g, "\\$&")}: `));
  });
});
