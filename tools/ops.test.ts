import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { posix } from "node:path";
import { describe, expect, it, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { parseConfiguration } from "../packages/node/src/index.ts";
import { checkBlocks, checkNames, templateToObjects } from "./helm-template.ts";

/** Goal: the files of ops/ fit the program beside them, without the tools that would run them. */

const root = new URL("../", import.meta.url);

function read(path: string): string {
  return readFileSync(new URL(path, root), "utf8");
}

function list(folder: string): string[] {
  return readdirSync(new URL(folder, root)).flatMap((name) => {
    const path = `${folder}/${name}`;
    return statSync(new URL(path, root)).isDirectory() ? list(path) : [path];
  });
}

function exists(path: string): boolean {
  return existsSync(new URL(path, root));
}

function readYaml<Value>(path: string): Value {
  const [document] = parseAllDocuments(read(path), { merge: true });
  expect([path, document?.errors ?? []]).toEqual([path, []]);
  return document!.toJS() as Value;
}

const files = list("ops");
const templates = files.filter((path) => path.includes("/templates/"));

/** Where the image, the unit and the manifest put the program. */
function isOfProgram(path: string): boolean {
  return exists(path.replace("/opt/coco/", "").replace("healthcheck", "ops/docker/healthcheck"));
}

describe("all files", () => {
  it("JSON and YAML parse", () => {
    const json = files.filter((path) => path.endsWith(".json"));
    for (const path of json) expect(() => JSON.parse(read(path)), path).not.toThrow();
    const yaml = files.filter((path) => /\.ya?ml$/.test(path) && !templates.includes(path));
    for (const path of yaml) readYaml(path);
    expect(json.length).toBeGreaterThanOrEqual(5);
    expect(yaml.length).toBeGreaterThanOrEqual(7);
  });

  it("nothing is named by a moving tag, and no digest is made up", () => {
    for (const path of files) {
      expect([path, /\blatest\b/.exec(read(path))?.[0]]).toEqual([path, undefined]);
      expect([path, /sha256:[0-9a-f]{8,}/.exec(read(path))?.[0]]).toEqual([path, undefined]);
    }
  });

  it("no keys", () => {
    for (const path of files) expect(read(path)).not.toMatch(/PRIVATE KEY|kind: Secret\b/);
  });
});

// Goal: the metrics of the code, with their kind: name -> counter or gauge.
function findMetrics(): Map<string, string> {
  const code =
    read("packages/node/src/core/executor-metrics.ts") + read("packages/node/src/metrics.ts");
  const rows = code.matchAll(/"((?:coco|process)_[a-z_]+)",\s*"(counter|gauge|histogram)"/g);
  return new Map(Array.from(rows, ([, name, kind]) => [name!, kind!]));
}

/** What is wrong with a PromQL expression, given the metrics there are. */
function checkExpression(expression: string, metrics: ReadonlyMap<string, string>): string[] {
  const found: string[] = [];
  const plain = expression.replace(/\{[^}]*\}/g, "").replace(/"[^"]*"/g, "");
  for (const [name] of plain.matchAll(/\b[a-z]+(?:_[a-z]+)+\b/g)) {
    if (!metrics.has(name) && !/^__/.test(name)) found.push(`unknown metric ${name}`);
  }
  for (const [, use, name] of plain.matchAll(/\b(rate|increase|delta)\(([a-z_]+)\[/g)) {
    const kind = use === "delta" ? "gauge" : "counter";
    if (metrics.get(name!) !== kind) found.push(`${use} of ${name}`);
  }
  for (const [, name] of plain.matchAll(/([a-z_]+_total)\b(?!\[)/g)) {
    if (/\b(rate|increase)\(/.test(plain)) found.push(`${name} without a range`);
  }
  return found;
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly datasource: { readonly uid: string };
    readonly gridPos: Readonly<Record<"x" | "y" | "w" | "h", number>>;
    readonly targets: readonly { readonly expr: string }[];
  }[];
}

describe("metrics", () => {
  const metrics = findMetrics();
  const dashboards = files
    .filter((path) => path.startsWith("ops/dashboards/"))
    .map((path) => JSON.parse(read(path)) as Dashboard);
  const expressions = dashboards.flatMap(({ panels }) =>
    panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  );

  it("the check finds what was planted", () => {
    const check = (text: string): number => checkExpression(text, metrics).length;
    expect(metrics.get("coco_view")).toBe("gauge");
    expect(metrics.get("coco_http_requests_total")).toBe("counter");
    expect(metrics.get("process_cpu_seconds_total")).toBe("counter");
    expect(check('rate(coco_requests_total{job="coco"}[5m])')).toBe(0);
    expect(check("coco_view")).toBe(0);
    expect(check("coco_views")).toBe(1);
    expect(check("rate(coco_view[5m])")).toBe(1);
    expect(check("rate(coco_requests_total)")).toBe(1);
  });

  it("dashboards use metrics that exist, in the right way", () => {
    expect(dashboards).toHaveLength(3);
    expect(expressions.flatMap((text) => checkExpression(text, metrics))).toEqual([]);
  });

  it("every metric is on a dashboard", () => {
    const shown = expressions.join("\n");
    const missing = [...metrics.keys()].filter((name) => !new RegExp(`\\b${name}\\b`).test(shown));
    expect(missing).toEqual([]);
  });

  it("dashboards have their own ids, and panels do not cover each other", () => {
    expect(new Set(dashboards.map(({ uid }) => uid)).size).toBe(dashboards.length);
    for (const { panels } of dashboards) {
      expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
      const taken = new Set<string>();
      for (const { gridPos, title, datasource } of panels) {
        expect(datasource.uid).toBe("prometheus");
        expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            expect([title, taken.has(`${x},${y}`)]).toEqual([title, false]);
            taken.add(`${x},${y}`);
          }
        }
      }
    }
  });

  it("alerts use metrics that exist", () => {
    interface Rule {
      readonly alert: string;
      readonly expr: string;
      readonly annotations: { readonly summary: string };
    }
    const rules = readYaml<{ groups: { rules: Rule[] }[] }>("ops/prometheus/alerts.yml");
    const all = rules.groups.flatMap((group) => group.rules);
    expect(all.length).toBeGreaterThan(3);
    expect(all.flatMap(({ expr }) => checkExpression(expr, metrics))).toEqual([]);
    for (const { annotations } of all) expect(annotations.summary).toMatch(/\S/);
  });
});

describe("Docker", () => {
  const dockerfile = read("ops/docker/Dockerfile").replace(/\\\n/g, " ");
  const instructions = dockerfile.split("\n").filter((line) => /^[A-Z]+ /.test(line));
  const all = (name: string): string[] =>
    instructions.filter((line) => line.startsWith(`${name} `));

  it("base images are arguments without default, so they are named by digest", () => {
    const from = all("FROM").map((line) => line.replaceAll(/[${}]/g, ""));
    expect(from).toEqual(["FROM BUILD_IMAGE AS build", "FROM RUNTIME_IMAGE"]);
    expect(dockerfile.match(/^FROM \$\{/gm)).toHaveLength(2);
    expect(all("ARG").filter((line) => line.includes("IMAGE="))).toEqual([]);
    expect(dockerfile).toContain("*@sha256:*)");
  });

  it("is reproducible and runs without root", () => {
    const installs = dockerfile.match(/npm (ci|install|i)\b[^&]*/g) ?? [];
    expect(installs.length).toBe(2);
    for (const line of installs) expect(line).toMatch(/^npm ci .*--ignore-scripts/);
    expect(dockerfile).toContain("SOURCE_DATE_EPOCH");
    expect(all("ADD")).toEqual([]);
    expect(all("USER")).toEqual(["USER 65532:65532"]);
  });

  it("names files of the program", () => {
    const paths = dockerfile.match(/"\/opt\/coco\/[^"]+"/g)!.map((text) => JSON.parse(text));
    expect(paths).toHaveLength(2);
    for (const path of paths) expect([path, isOfProgram(path)]).toEqual([path, true]);
    const kept = read("ops/docker/Dockerfile.dockerignore").match(/^!.*$/gm)!;
    for (const line of kept) expect([line, exists(line.slice(1))]).toEqual([line, true]);
    for (const path of ["ops/docker/healthcheck.mjs", "package-lock.json", "packages"]) {
      expect(kept).toContain(`!${path}`);
    }
  });

  it("the configurations are ones the node accepts, and bind the published ports", () => {
    for (const name of ["node0", "node1", "node2"]) {
      const { configuration } = parseConfiguration(read(`ops/docker/${name}.json`), name);
      const { command, network, nodeCertificate } = configuration;
      expect(network.rpcInterfaces).toMatchObject([
        { bindAddress: { host: "0.0.0.0", port: 8080 }, publishedAddress: `${name}:8080` },
      ]);
      expect(network.nodeToNodeInterface.publishedAddress).toBe(`${name}:8081`);
      expect(nodeCertificate.subjectAltNames).toHaveLength(3);
      expect(command.type).toBe(name === "node0" ? "Start" : "Join");
    }
    expect(all("EXPOSE")).toEqual(["EXPOSE 8080 8081"]);
  });
});

interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly image: string;
        readonly volumes: readonly string[];
        readonly read_only?: boolean;
        readonly cap_drop?: readonly string[];
        readonly ports: readonly string[];
      }
    >
  >;
  readonly volumes: Readonly<Record<string, null>>;
}

describe("compose", () => {
  const compose = readYaml<Compose>("ops/docker/compose.yaml");

  it("folders and volumes exist", () => {
    for (const [name, { volumes }] of Object.entries(compose.services)) {
      for (const volume of volumes) {
        const source = volume.split(":", 1)[0]!;
        const isThere = source.startsWith(".")
          ? exists(posix.join("ops/docker", source))
          : Object.hasOwn(compose.volumes, source);
        expect([name, volume, isThere]).toEqual([name, volume, true]);
      }
    }
  });

  it("services have no rights, and listen on this machine only", () => {
    for (const service of Object.values(compose.services)) {
      expect(service).toMatchObject({ read_only: true, cap_drop: ["ALL"] });
      for (const port of service.ports) expect(port).toMatch(/^127\.0\.0\.1:/);
      expect(service.image).toMatch(/^coco-node$|^\$\{[A-Z]+_IMAGE:\?/);
    }
  });

  it("variables are explained, and Prometheus asks the nodes that there are", () => {
    const text = read("ops/docker/compose.yaml");
    const names = Array.from(text.matchAll(/\$\{([A-Z_]+):\?/g), ([, name]) => name!);
    expect(names).toHaveLength(5);
    for (const name of names) expect(read("ops/docker/images.env.example")).toContain(`${name}=`);
    interface Prometheus {
      readonly rule_files: readonly string[];
      readonly scrape_configs: readonly {
        readonly job_name: string;
        readonly tls_config: { readonly ca_file: string };
        readonly static_configs: readonly { readonly targets: readonly string[] }[];
      }[];
    }
    const { rule_files, scrape_configs } = readYaml<Prometheus>("ops/prometheus/prometheus.yml");
    for (const file of rule_files) expect(exists(`ops/prometheus/${file}`)).toBe(true);
    const [job] = scrape_configs;
    expect(job!.job_name).toBe("coco");
    const nodes = Object.keys(compose.services).filter((name) => /^node\d/.test(name));
    expect(job!.static_configs[0]!.targets).toEqual(nodes.map((name) => `${name}:8080`));
    const target = posix.dirname(job!.tls_config.ca_file);
    expect(compose.services["prometheus"]!.volumes).toContain(`public:${target}:ro`);
  });
});

describe("Helm", () => {
  const chart = templates.map((path) => ({ path, text: read(path) }));
  const values = readYaml<Record<string, unknown>>("ops/helm/coco-node/values.yaml");
  const objects = chart.filter(({ path }) => path.endsWith(".yaml"));

  it("the check finds what was planted", () => {
    const blocks = (text: string): number => checkBlocks({ path: "a", text }).length;
    expect(blocks("{{ if .a }}x{{ else }}y{{ end }}")).toBe(0);
    expect(blocks("{{ if .a }}")).toBe(1);
    expect(blocks("{{ end }}")).toBe(1);
    expect(blocks("{{ else }}")).toBe(1);
    expect(blocks("{{ (list }}")).toBe(1);
    expect(blocks("{{ .a }")).toBe(1);
    const names = (text: string): number =>
      checkNames([{ path: "a", text }], { image: { digest: "" } }).length;
    expect(names("{{ .Values.image.digest }}")).toBe(0);
    expect(names("{{ .Values.image.tag }}")).toBe(1);
    expect(names('{{ define "a" }}{{ end }}{{ include "a" . }}')).toBe(0);
    expect(names('{{ include "b" . }}')).toBe(1);
    expect(() => templateToObjects({ path: "a", text: "a: b: c" })).toThrow();
  });

  it("blocks pair, and names exist", () => {
    expect(chart.length).toBeGreaterThanOrEqual(5);
    expect(chart.flatMap(checkBlocks)).toEqual([]);
    expect(checkNames(chart, values)).toEqual([]);
  });

  it("templates are Kubernetes objects", () => {
    const kinds = objects.flatMap((file) =>
      templateToObjects(file).map((object) => {
        expect(object).toMatchObject({
          apiVersion: expect.any(String),
          metadata: { name: expect.stringMatching(/^value/) },
        });
        return object["kind"];
      }),
    );
    expect(kinds.sort()).toEqual([
      "ConfigMap",
      "Service",
      "Service",
      "ServiceMonitor",
      "StatefulSet",
    ]);
  });

  it("the image is named by digest, and the pod has no rights", () => {
    const text = read("ops/helm/coco-node/templates/statefulset.yaml");
    expect(text).toMatch(/image: "\{\{.*image\.repository \}\}@\{\{.*image\.digest \}\}"/);
    expect(text).toContain("runAsNonRoot: true");
    expect(text).toContain("readOnlyRootFilesystem: true");
    const chartFile = readYaml<{ appVersion: string }>("ops/helm/coco-node/Chart.yaml");
    expect(chartFile.appVersion).toBe(JSON.parse(read("package.json")).version);
    const schema = JSON.parse(read("ops/helm/coco-node/values.schema.json"));
    for (const name of Object.keys(schema.properties)) expect(values).toHaveProperty(name);
  });
});

describe("Gramine", () => {
  const manifest = read("ops/gramine/coco.manifest.template");
  const lines = manifest.replace(/#.*$/gm, "");
  const argv = JSON.parse(
    /loader\.argv = (\[[^\]]*\])/.exec(lines)![1]!.replace(/,\s*\]/, "]"),
  ) as string[];

  it("every line is an entry, and no key stands twice", () => {
    const flat = lines.replace(/\[\n[^\]]*\n\]/g, "[]");
    const entries = flat.split("\n").filter((line) => line.trim() !== "");
    const keys = entries.map(
      (line) => /^([A-Za-z_.]+) = (".*"|true|false|\d+|\[\])$/.exec(line)?.[1],
    );
    expect(keys).not.toContain(undefined);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("program files exist", () => {
    const paths = Array.from(
      lines.matchAll(/"file:\{\{ program \}\}\/([^"]+)"/g),
      ([, path]) => path!,
    );
    expect(paths.length).toBe(4);
    for (const path of paths) expect([path, exists(path)]).toEqual([path, true]);
    const script = argv.find((text) => text.endsWith(".js"))!;
    expect(isOfProgram(script.replace("{{ program }}", "/opt/coco"))).toBe(true);
  });

  it("only the state is the host's, and nothing comes in from outside", () => {
    const allowed = /sgx\.allowed_files = \[([^\]]*)\]/.exec(lines)![1]!.trim();
    expect(allowed).toBe('"file:{{ state }}/",');
    expect(lines).not.toContain("insecure__");
    expect(lines).toContain("sgx.debug = false");
    const sizeGb = Number(/enclave_size = "(\d+)G"/.exec(lines)![1]);
    expect(Math.log2(sizeGb) % 1).toBe(0);
  });

  it("Node accepts the flags", () => {
    const flags = argv.filter((text) => text.startsWith("--") && text !== "--config");
    expect(flags).toContain("--disable-wasm-trap-handler");
    const out = execFileSync(process.execPath, [...flags, "-p", "6 * 7"], { encoding: "utf8" });
    expect(out).toBe("42\n");
  });
});

describe("machines", () => {
  it("the systemd unit starts the program, once, without rights", () => {
    const unit = read("ops/systemd/coco-node.service");
    const start = /^ExecStart=(.*)$/m.exec(unit)![1]!.split(" ");
    expect(start.slice(2)).toEqual(["node", "run", "--config", "/etc/coco/node.json"]);
    expect(isOfProgram(start[1]!)).toBe(true);
    for (const line of ["Restart=no", "LimitCORE=0", "MemorySwapMax=0", "NoNewPrivileges=yes"]) {
      expect(unit.split("\n")).toContain(line);
    }
    const page = /Documentation=file:\/\/\/opt\/coco\/(\S+)/.exec(unit)![1]!;
    expect(exists(page)).toBe(true);
  });

  it("the Windows script starts the program", () => {
    const script = read("ops/windows/install-service.ps1");
    const paths = script.match(/packages\\[\w\\.]+/g)!;
    expect(new Set(paths).size).toBe(1);
    expect(exists(paths[0]!.replaceAll("\\", "/"))).toBe(true);
    for (const [open, close] of ["()", "{}", "[]"]) {
      expect(script.split(open!).length).toBe(script.split(close!).length);
    }
  });

  test.each(["ops/bicep/aci.bicep", "ops/bicep/cvm.bicep"])("%s is whole", (path) => {
    const text = read(path).replace(/^\s*\/\/.*$/gm, "");
    const code = text.replace(/'[^'\n]*'/g, (word) => word.replace(/[^${}\w]/g, " "));
    for (const [open, close] of ["()", "{}", "[]"]) {
      expect(code.split(open!).length).toBe(code.split(close!).length);
    }
    const parameters = Array.from(text.matchAll(/^param (\w+) (\w+)( = .*)?$/gm));
    expect(parameters.length).toBeGreaterThan(5);
    for (const [line, name, , preset] of parameters) {
      const uses = code.match(new RegExp(`\\b${name}\\b`, "g"))!.length;
      expect([name, uses > 1]).toEqual([name, true]);
      const isSecret = /key$|password|secret/i.test(name!) && !/publicKey/i.test(name!);
      if (isSecret) expect(text).toContain(`@secure()\n${line}`);
      if (isSecret) expect(preset).toBeUndefined();
    }
  });

  it("confidential containers have a policy and an image that the caller names", () => {
    const text = read("ops/bicep/aci.bicep");
    expect(text).toMatch(/^param ccePolicy string$/m);
    expect(text).toMatch(/^param image string$/m);
    expect(text).toMatch(
      /sku: 'Confidential'\n\s*confidentialComputeProperties: \{\n\s*ccePolicy:/,
    );
    expect(read("ops/bicep/cvm.bicep")).toContain("securityType: 'ConfidentialVM'");
  });
});
