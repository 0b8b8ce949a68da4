import { isCocoError } from "@coco/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonErrorPlace } from "./json-error-place.ts";
import { loadConfiguration, parseConfiguration } from "./load-configuration.ts";
import { configurationSchema } from "./schema.ts";
import { closestName } from "./suggestion.ts";
import { sizeToBytes, timeToMs } from "./units.ts";

const minimal = {
  network: {
    node_to_node_interface: { bind_address: "127.0.0.1:8081" },
    rpc_interfaces: { primary: { bind_address: "127.0.0.1:8080" } },
  },
  command: {
    type: "Start",
    start: { constitution_files: ["actions.js"], members: [{ certificate_file: "member0.pem" }] },
  },
};

function parse(change: object) {
  return parseConfiguration(JSON.stringify({ ...minimal, ...change }), "node.json");
}

function problemOf(change: object): string {
  try {
    parse(change);
  } catch (error) {
    if (isCocoError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "accepted";
}

function withInterface(change: object): object {
  const primary = { bind_address: "127.0.0.1:8080", ...change };
  return { network: { ...minimal.network, rpc_interfaces: { primary } } };
}

describe("a configuration", () => {
  test("the shortest one gets all defaults, with units resolved", () => {
    const { configuration, ignoredPaths } = parse({});
    expect(ignoredPaths).toEqual([]);
    expect(configuration.ledger).toEqual({
      directory: "ledger",
      readOnlyDirectories: [],
      chunkSizeBytes: 5 * 1024 * 1024,
      sync: "batch",
    });
    expect(configuration.ledgerSignatures).toEqual({ txCount: 5000, delayMs: 10 });
    expect(configuration.idleConnectionTimeoutMs).toBe(60_000);
    const [face] = configuration.network.rpcInterfaces;
    expect(face).toMatchObject({
      name: "primary",
      bindAddress: { host: "127.0.0.1", port: 8080 },
      publishedAddress: "127.0.0.1:8080",
      openSessionsSoftMax: 1000,
      openSessionsHardMax: 1010,
      authority: "Service",
      acceptedEndpoints: undefined,
      http: { bodySizeBytesMax: 1_048_576, headerSizeText: "16KB", headerCountMax: 256 },
    });
    expect(configuration.command).toMatchObject({
      type: "Start",
      serviceCertificateFile: "service_cert.pem",
      serviceConfiguration: { recoveryThreshold: 0, recentCoseProposalsWindowSize: 100 },
    });
    expect(configuration.attestation.platform).toBe("Virtual");
  });

  test("CCF keys without effect here are accepted and named", () => {
    const { ignoredPaths } = parse({
      worker_threads: 0,
      tick_interval: "1ms",
      logging: { format: "Text" },
      memory: { circuit_size: "16MB", max_msg_size: "64MB", max_fragment_size: "256KB" },
    });
    expect(ignoredPaths).toEqual(["worker_threads", "tick_interval", "logging.format", "memory"]);
  });

  test("an unknown key is refused with the closest known one, or the place it belongs to", () => {
    expect(problemOf({ ledgr: {} })).toBe(
      "ConfigurationInvalid: The configuration is not valid: node.json: " +
        'ledgr is not a known key (did you mean "ledger"?)',
    );
    expect(problemOf({ chunk_size: "5MB" })).toContain('(did you mean "ledger.chunk_size"?)');
    expect(problemOf({ zzzzzzzzzzzz: 1 })).toMatch(/zzzzzzzzzzzz is not a known key$/);
    expect(problemOf(withInterface({ max_header_size: "1KB" }))).toContain(
      "network.rpc_interfaces.primary.max_header_size is not a known key",
    );
  });

  test("wrong types, units and ranges name the path, the value and what is expected", () => {
    expect(problemOf({ ledger: { chunk_size: "5XB" } })).toContain(
      'ledger.chunk_size must be a size as "16KB", "5MB", not "5XB"',
    );
    expect(problemOf({ ledger: { chunk_size: "1B" } })).toContain(
      "must be from 1KB to 1TB, not 1B",
    );
    expect(problemOf({ ledger_signatures: { delay: 10 } })).toContain(
      "ledger_signatures.delay must be a text, not a whole number",
    );
    expect(problemOf({ ledger_signatures: { tx_count: 1.5 } })).toContain(
      "must be a whole number, not a number with a fraction",
    );
    expect(problemOf({ snapshots: { tx_count: 0 } })).toContain("must be from 1 to 1000000000");
    expect(problemOf({ command: { type: "start" } })).toContain('(did you mean "Start"?)');
  });

  test("rules that span keys are checked", () => {
    expect(problemOf({ command: { type: "Join" } })).toContain(
      "command.join is needed when type is Join",
    );
    expect(problemOf(withInterface({ max_open_sessions_soft: 1010 }))).toContain(
      "max_open_sessions_hard must be above max_open_sessions_soft (1010)",
    );
    expect(problemOf(withInterface({ bind_address: "nowhere:99999" }))).toContain(
      'primary.bind_address must be host:port, not "nowhere:99999"',
    );
    expect(problemOf(withInterface({ accepted_endpoints: ["/node/("] }))).toContain(
      "accepted_endpoints[0] must be a regular expression",
    );
    expect(problemOf({ consensus: { election_timeout: "50ms" } })).toContain("must be longer than");
    expect(problemOf({ node_certificate: { subject_alt_names: ["127.0.0.1"] } })).toContain(
      "subject_alt_names[0] must begin with iPAddress: or dNSName:",
    );
    const twice = { a: { bind_address: "[::1]:80" }, b: { bind_address: "[::1]:80" } };
    expect(problemOf({ network: { ...minimal.network, rpc_interfaces: twice } })).toContain(
      'b.bind_address is the address of "a" too',
    );
  });

  test("HTTP/2 is refused with its own error until an interface can speak it", () => {
    expect(problemOf(withInterface({ app_protocol: "HTTP2" }))).toMatch(/^ProtocolNotSupported: /);
    expect(problemOf(withInterface({ app_protocol: "HTTP3" }))).toMatch(/^ConfigurationInvalid: /);
  });

  test("null keeps idle sessions for ever; redirections and features are read", () => {
    expect(parse({ idle_connection_timeout: null }).configuration.idleConnectionTimeoutMs).toBe(
      undefined,
    );
    const { configuration } = parse(
      withInterface({
        redirections: {
          to_primary: { kind: "NodeByRole", target: { role: "primary" } },
          to_backup: { kind: "StaticAddress", target: { address: "backup.example.com" } },
        },
        endorsement: { authority: "Node" },
        enabled_operator_features: ["SnapshotRead"],
      }),
    );
    expect(configuration.network.rpcInterfaces[0]).toMatchObject({
      authority: "Node",
      enabledOperatorFeatures: ["SnapshotRead"],
      redirections: {
        toPrimary: { kind: "NodeByRole", role: "primary" },
        toBackup: { kind: "StaticAddress", address: "backup.example.com" },
      },
    });
  });

  test("several problems are reported together", () => {
    const problem = problemOf({ ledgr: {}, snapshots: { tx_count: "many" } });
    expect(problem).toContain("ledgr is not a known key");
    expect(problem).toContain("snapshots.tx_count must be a whole number, not a text");
  });

  test("a file that is absent or not JSON is refused, with the place", () => {
    expect(() => loadConfiguration("/nonexistent/node.json")).toThrow(/cannot be read/);
    expect(() => parseConfiguration('{\n  "network": tru\n}', "node.json")).toThrow(
      "node.json line 2 column 14",
    );
  });

  test("whatever JSON comes, the answer is a configuration or a typed error", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(...topKeys), (value, key) => {
        const problem = problemOf({ [key]: value });
        expect(problem).toMatch(/^(accepted$|ConfigurationInvalid: |ProtocolNotSupported: )/);
      }),
    );
  });
});

const topKeys = [...Object.keys(configurationSchema.properties ?? {}), "__proto__", "toString"];

describe("the schema", () => {
  test("describes every key and holds its own defaults", () => {
    let seen = 0;
    const visit = (schema: typeof configurationSchema, path: string): void => {
      expect(schema.description, path).toMatch(/./);
      seen += 1;
      if (schema["x-unit"] !== undefined && schema.default !== undefined) {
        const convert = schema["x-unit"] === "time" ? timeToMs : sizeToBytes;
        const value = convert(String(schema.default));
        expect(value, path).toBeGreaterThanOrEqual(convert(schema["x-minimum"] ?? ""));
        expect(value, path).toBeLessThanOrEqual(convert(schema["x-maximum"] ?? ""));
      }
      for (const [key, inner] of Object.entries(schema.properties ?? {})) {
        visit(inner, `${path}.${key}`);
      }
      if (schema.items !== undefined) visit(schema.items, `${path}[]`);
      if (typeof schema.additionalProperties === "object") {
        visit(schema.additionalProperties, `${path}.*`);
      }
    };
    visit(configurationSchema, "");
    expect(seen).toBeGreaterThan(120);
    expect(JSON.parse(JSON.stringify(configurationSchema))).toEqual(configurationSchema);
  });
});

describe("units", () => {
  test("follow CCF: a bare number counts microseconds or octets, sizes are powers of 1024", () => {
    const times = ["10ms", "1s", "1500us", "30min", "2h", "2500"];
    expect(times.map(timeToMs)).toEqual([10, 1000, 1.5, 1_800_000, 7_200_000, 2.5]);
    const sizes = ["7", "7B", "16KB", "5mb", "1GB"];
    expect(sizes.map(sizeToBytes)).toEqual([7, 7, 16_384, 5_242_880, 1_073_741_824]);
    for (const bad of ["", "ms", "1.5s", "-1s", "1 s", "10d", "1constructor"]) {
      expect(timeToMs(bad), bad).toBeNaN();
      expect(sizeToBytes(bad), bad).toBeNaN();
    }
  });
});

describe("helpers", () => {
  test("a slip is recognised, another word is not", () => {
    expect(closestName("ledegr", ["ledger", "network"])).toBe("ledger");
    expect(closestName("LEDGER", ["ledger"])).toBe("ledger");
    expect(closestName("snapshot", ["ledger", "network"])).toBe(undefined);
  });

  test("the place of a JSON error is where the text stops being JSON", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(jsonErrorPlace(text)).toBe(undefined);
        const cut = `[${text}`;
        expect(jsonErrorPlace(cut)).toEqual({ line: 1, column: cut.length + 1 });
      }),
    );
  });
});
