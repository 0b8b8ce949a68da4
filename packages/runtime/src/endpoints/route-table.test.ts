import { isCocoError } from "@coco/base";
import { createStore } from "@coco/store";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AppRequest, Endpoint } from "../application.ts";
import { createStaticEndpointTable, createStoredEndpointTable } from "./endpoint-tables.ts";
import { routeRequest } from "./match-response.ts";
import { matchSegment, parsePathTemplate } from "./path-template.ts";
import { RouteTable, sortVerbs } from "./route-table.ts";

function tableOf(...paths: string[]): RouteTable<string> {
  const table = new RouteTable<string>();
  for (const path of paths) table.add("GET", path, path);
  return table;
}

function endpoint(method: string, path: string): Endpoint {
  return {
    path,
    method,
    mode: "readonly",
    authnPolicies: [],
    forwardingRequired: "sometimes",
    redirectionStrategy: "none",
  };
}

function request(method: string, path: string): AppRequest {
  return {
    method,
    path,
    url: `/app${path}`,
    query: "",
    headers: { get: () => undefined, entries: () => [] },
    body: new Uint8Array(0),
    session: { id: 1, interfaceName: "main", certificate: undefined },
  };
}

describe("path templates", () => {
  it("take the segment up to the text that follows, as governance paths need it", () => {
    const table = tableOf("/members/proposals/{id}", "/members/proposals/{id}:withdraw");
    const base = "/members/proposals";
    expect(table.find("GET", `${base}/ab`)?.route).toBe(`${base}/{id}`);
    const ambiguous = () => table.find("GET", `${base}/ab:withdraw`);
    expect(ambiguous).toThrow(expect.objectContaining({ code: "AmbiguousPath" }));
    const ballots = tableOf("/p/{proposal}/ballots/{member}:submit", "/p/{proposal}/actions");
    expect(ballots.find("GET", "/p/7/ballots/9:submit")).toEqual({
      route: "/p/{proposal}/ballots/{member}:submit",
      params: { proposal: "7", member: "9" },
    });
    expect(ballots.find("GET", "/p/7/ballots/:submit")).toBeUndefined();
    expect(ballots.find("GET", "/p/7/ballots/a:b:submit")).toBeUndefined();
  });

  it("give the values as received, without decoding", () => {
    const found = tableOf("/modules/{name}").find("GET", "/modules/%2Flogging.js");
    expect(found?.params).toEqual({ name: "%2Flogging.js" });
  });

  it("are refused when they cannot work", () => {
    for (const path of [
      "x",
      "",
      "/{",
      "/{}",
      "/{a}{b}",
      "/{a}/{a}",
      "/x{a",
      `/${"x".repeat(3e3)}`,
    ]) {
      expect(() => parsePathTemplate(path), path).toThrow(
        expect.objectContaining({ code: "BadPathTemplate" }),
      );
    }
  });

  it("match exactly what CCF's pattern for a segment matches", () => {
    const literal = fc.stringMatching(/^[a-c:.]{0,3}$/);
    const shape = fc.array(fc.stringMatching(/^[a-c:.]{1,2}$/), { maxLength: 2 });
    const arbitrary = fc.tuple(literal, shape, literal, fc.stringMatching(/^[a-c:.x]{0,10}$/));
    fc.assert(
      fc.property(arbitrary, ([first, middle, last, text]) => {
        const literals = [first, ...middle, last];
        const names = literals.slice(1).map((_, index) => `p${index}`);
        const path = literals
          .slice(1)
          .reduce((made, part, index) => `${made}{${names[index]}}${part}`, first);
        const { segments } = parsePathTemplate(`/${path}`);
        // The oracle: each parameter is one character or more that is neither / nor the next one.
        const escapeText = (part: string) => part.replace(/[.:]/g, "\\$&");
        const source = literals.slice(1).reduce((made, part) => {
          const stop = part === "" ? "" : escapeText(part.charAt(0));
          return `${made}([^/${stop}]+)${escapeText(part)}`;
        }, escapeText(first));
        const wanted = new RegExp(`^${source}$`).exec(text);
        expect(matchSegment(segments[0]!, text)).toEqual(
          wanted === null ? undefined : wanted.slice(1),
        );
      }),
      { numRuns: 3000 },
    );
  });
});

describe("RouteTable", () => {
  it("prefers a literal path, and reports two templates for one path as an error", () => {
    const table = tableOf("/a/{x}", "/a/b", "/{y}/c");
    expect(table.find("GET", "/a/b")?.route).toBe("/a/b");
    expect(table.find("GET", "/a/d")?.params).toEqual({ x: "d" });
    expect(() => table.find("GET", "/a/c")).toThrow(
      expect.objectContaining({ code: "AmbiguousPath" }),
    );
    expect(table.find("GET", "/a")).toBeUndefined();
    expect(table.find("GET", "/a/d/")).toBeUndefined();
    expect(table.find("POST", "/a/b")).toBeUndefined();
    expect(table.verbs("/a/b")).toEqual(["GET"]);
  });

  it("keeps odd parameter names harmless", () => {
    const found = tableOf("/{__proto__}/{constructor}").find("GET", "/a/b");
    expect(Object.entries(found!.params)).toEqual([
      ["__proto__", "a"],
      ["constructor", "b"],
    ]);
    expect(Object.getPrototypeOf(found!.params)).toBe(Object.prototype);
  });

  it("throws nothing untyped and answers fast for any path", () => {
    const table = tableOf("/{a}/{b}/{c}", "/{a}.{b}/x", "/x/{b}:{c}/{d}", "/a/b/c", "/{a}/x/{c}");
    const path = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc.stringMatching(/^(\/[abcx.:{}%]{0,6}){0,12}$/),
    );
    fc.assert(
      fc.property(path, (text) => {
        try {
          table.find("GET", text);
          table.verbs(text);
        } catch (error) {
          expect(isCocoError(error) && error.code).toBe("AmbiguousPath");
        }
      }),
      { numRuns: 5000 },
    );
    const started = performance.now();
    table.verbs(`/${"a/".repeat(100_000)}`);
    expect(performance.now() - started).toBeLessThan(500);
  });

  it("lists verbs in CCF's order", () => {
    expect(sortVerbs(["POST", "GET", "DELETE", "GET", "PUT"])).toEqual([
      "DELETE",
      "GET",
      "POST",
      "PUT",
    ]);
  });
});

describe("endpoint tables", () => {
  it("answer 500 with both templates when a path is ambiguous", () => {
    const table = createStaticEndpointTable([endpoint("GET", "/{a}/c"), endpoint("GET", "/b/{d}")]);
    const routing = routeRequest(table, createStore().begin("node"), request("GET", "/b/c"));
    expect(routing).toMatchObject({ kind: "answered", response: { status: 500 } });
    if (routing.kind === "answered") {
      expect(JSON.parse(String(routing.response.body)).error).toEqual({
        code: "InternalError",
        message: "Multiple potential matches for path: /b/c\n  /b/{d}\n  /{a}/c",
      });
    }
  });

  it("follow every change of the stored endpoints, literal or template", () => {
    const store = createStore();
    const table = createStoredEndpointTable([endpoint("GET", "/commit")]);
    const write = (change: (set: (key: string, functionName?: string) => void) => void) => {
      const transaction = store.begin("node");
      const rows = transaction.table("public:ccf.gov.endpoints");
      rows.clear();
      change((key, functionName = "f") => {
        const stored = {
          js_module: "/m.js",
          js_function: functionName,
          forwarding_required: "never",
          authn_policies: ["no_auth"],
        };
        rows.setText(key, JSON.stringify(stored));
      });
      store.commit(transaction);
    };
    const find = (path: string, method = "GET") =>
      table.find(store.begin("application"), method, path);
    const functionOf = (path: string) => {
      const match = find(path);
      if (match.kind !== "found") return match.kind;
      return (match.endpoint.handler as { functionName: string } | undefined)?.functionName;
    };
    expect(find("/a").kind).toBe("unknownPath");
    write((set) => set("GET /a"));
    expect(functionOf("/a")).toBe("f");
    write((set) => set("GET /a", "g"));
    expect(functionOf("/a")).toBe("g");
    write((set) => set("GET /{x}", "h"));
    expect(functionOf("/a")).toBe("h");
    expect(functionOf("/commit")).toBe("h");
    write((set) => set("POST /{x}/y"));
    expect(find("/a").kind).toBe("unknownPath");
    expect(find("/a/y")).toEqual({ kind: "wrongMethod", allowed: ["POST"] });
    expect(find("/commit").kind).toBe("found");
    expect(find("/commit", "PUT")).toEqual({ kind: "wrongMethod", allowed: ["GET"] });
    expect(table.list(store.begin("application"))).toHaveLength(2);
  });

  it("name the row when a stored endpoint cannot be read", () => {
    const store = createStore();
    const transaction = store.begin("node");
    transaction.table("public:ccf.gov.endpoints").setText("GET /a", '{"js_module":1}');
    store.commit(transaction);
    const table = createStoredEndpointTable();
    expect(() => table.find(store.begin("application"), "GET", "/a")).toThrow(
      expect.objectContaining({ code: "BadTableValue", message: expect.stringMatching("GET /a") }),
    );
  });
});
