/** `coco sandbox` */
import { relative } from "node:path";
import type { OptionValues } from "../command.ts";
import { createLifetime } from "../lifetime.ts";
import { formatLogLine, isAppLine } from "../log-line.ts";
import { type HotReload, startHotReload } from "../sandbox/hot-reload.ts";
import { type Sandbox, startSandbox } from "../sandbox/sandbox.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  const startedMs = performance.now();
  const lifetime = createLifetime(context);
  const nodeCount = options["nodes"] as number;
  context.talk(
    `Starting a sandbox network with ${nodeCount === 1 ? "one node" : `${nodeCount} nodes`} ...\n`,
  );
  const sandbox = await startSandbox({
    app: options["app"] as string | undefined,
    port: options["port"] as number,
    memberCount: options["members"] as number,
    userCount: options["users"] as number,
    nodeCount: options["nodes"] as number,
    constitutionFiles: (options["constitution"] as readonly string[] | undefined) ?? [],
    directory: options["data"] as string,
    isFresh: options["fresh"] === true,
    inspectPort: toInspectPort(options["inspect"]),
    isColored: context.color.bold("") !== "",
    onLogLine: (line) => {
      if (isAppLine(line)) context.talk(`${formatLogLine(line, context.color)}\n`);
    },
    onFailed: lifetime.onFailed,
  });
  try {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    if (sandbox.isRecovered) {
      context.talk(
        "The ledger of the last run was recovered with the members' keys: its data is there, the " +
          "service certificate is new. --fresh starts anew.\n",
      );
    }
    for (const note of sandbox.notes) context.talk(`${context.color.yellow("note")} ${note}\n`);
    if (options["json"] === true) context.out(toJsonLine(sandbox.facts));
    else printBlock(context, sandbox, seconds);
    const isWatched = options["watch"] !== false && options["app"] !== undefined;
    const hotReload = isWatched ? watchApp(context, sandbox) : undefined;
    try {
      await lifetime.ended;
    } finally {
      hotReload?.stop();
    }
    context.talk("\nStopping ...\n");
  } finally {
    await sandbox.stop();
  }
}

/** `--inspect` alone takes the debugger's usual port. */
function toInspectPort(value: unknown): number | undefined {
  if (value === undefined || value === false) return undefined;
  const port = Number(value);
  return value === true || !Number.isSafeInteger(port) ? 9229 : port;
}

function printBlock(context: CommandContext, sandbox: Sandbox, seconds: string): void {
  const { facts, workspace, inspectUrl } = sandbox;
  const short = (path: string) => {
    const fromHere = relative(process.cwd(), path);
    return fromHere.startsWith("..") ? path : fromHere;
  };
  const rows = [
    ["Node", facts.url],
    ...(facts.nodes ?? []).map(({ url, pid }) => ["Node", `${url}  (process ${pid})`]),
    ["Service certificate", short(facts.serviceCert)],
    ["App", short(sandbox.appDirectory)],
  ];
  facts.members.forEach(({ cert, key }, index) => {
    rows.push([`Member ${index}`, `${short(cert)}  ${short(key)}`]);
  });
  facts.users.forEach(({ cert, key }, index) => {
    rows.push([`User ${index}`, `${short(cert)}  ${short(key)}`]);
  });
  rows.push(["Ledger", short(facts.ledgerDir)], ["Log", short(workspace.logFile)]);
  if (workspace.earlierLedger !== undefined) {
    rows.push(["Earlier ledger", short(workspace.earlierLedger)]);
  }
  if (inspectUrl !== undefined) rows.push(["Debugger", inspectUrl]);
  rows.push(["Attestation", "virtual: INSECURE, for development only"]);
  context.out(toTable(rows));
  const user = facts.users[0];
  if (user !== undefined) {
    const files = [facts.serviceCert, user.cert, user.key].map(short);
    const [service, cert, key] = files as [string, string, string];
    context.out(`\ncurl -i ${facts.url}${examplePath(sandbox)} --cacert ${service} \\\n`);
    context.out(`  --cert ${cert} --key ${key}${exampleBody(sandbox)}\n`);
  }
  context.talk(`\nReady in ${seconds} s. Press Ctrl+C to stop.\n`);
}

function isLoggingSample(sandbox: Sandbox): boolean {
  return sandbox.bundle.metadata.endpoints["/log/private"] !== undefined;
}

/** A request that the app answers: the sample's write, or the first read without parameters. */
function examplePath(sandbox: Sandbox): string {
  if (isLoggingSample(sandbox)) return "/app/log/private";
  const { endpoints } = sandbox.bundle.metadata;
  const found = Object.entries(endpoints).find(
    ([template, methods]) => !template.includes("{") && "get" in methods,
  );
  return found === undefined ? "/node/network" : `/app${found[0]}`;
}

function exampleBody(sandbox: Sandbox): string {
  if (!isLoggingSample(sandbox)) return "";
  return ` \\\n  -H "content-type: application/json" -d '{"id": 1, "msg": "Hello"}'`;
}

function watchApp(context: CommandContext, sandbox: Sandbox): HotReload {
  const { appDirectory: directory, bundle, deploy } = sandbox;
  return startHotReload(context, { directory, bundle, deploy });
}
