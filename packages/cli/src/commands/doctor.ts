/** `coco doctor` */
import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { errorToLine } from "@coco/base";
import type { OptionValues } from "../command.ts";
import { exitCode } from "../failure.ts";
import { checkPort } from "../sandbox/preflight.ts";
import { type CommandContext, toJsonLine } from "../streams.ts";

interface Finding {
  readonly subject: string;
  readonly status: "ok" | "warning" | "problem";
  readonly text: string;
}

export async function run(context: CommandContext, options: OptionValues): Promise<number> {
  const findings = [
    findNode(),
    findMachine(),
    findTee(),
    await findPort(options["port"] as number),
    findClock(),
    findDisk(options["data"] as string),
  ];
  const isFine = findings.every(({ status }) => status !== "problem");
  if (options["json"] === true) context.out(toJsonLine({ ok: isFine, findings }));
  else {
    const { green, yellow, red } = context.color;
    const marks = { ok: green("ok     "), warning: yellow("warning"), problem: red("problem") };
    for (const { subject, status, text } of findings) {
      context.out(`${marks[status]}  ${subject.padEnd(8)}  ${text}\n`);
    }
  }
  return isFine ? exitCode.ok : exitCode.failed;
}

function findNode(): Finding {
  const { node, openssl } = process.versions;
  const [major = 0, minor = 0] = node.split(".").map(Number);
  const isNew = major > 20 || (major === 20 && minor >= 19);
  const text = `Node.js ${node}, OpenSSL ${openssl}, ${process.platform} ${process.arch}`;
  const advice = isNew ? "" : "; 20.19 or later is needed";
  return { subject: "node", status: isNew ? "ok" : "problem", text: text + advice };
}

function findMachine(): Finding {
  const gibibytes = totalmem() / 2 ** 30;
  const cores = availableParallelism();
  const isSmall = cores < 2 || gibibytes < 2;
  const text = `${cores} cores, ${gibibytes.toFixed(1)} GiB of memory`;
  const advice = isSmall ? "; 2 cores and 2 GiB are advised" : "";
  return { subject: "machine", status: isSmall ? "warning" : "ok", text: text + advice };
}

const teeDevices: readonly (readonly [path: string, name: string])[] = [
  ["/dev/sgx_enclave", "Intel SGX"],
  ["/dev/tdx_guest", "Intel TDX guest"],
  ["/dev/sev-guest", "AMD SEV-SNP guest"],
  ["/dev/sev", "AMD SEV host"],
  ["/dev/tpm0", "TPM"],
];

function findTee(): Finding {
  const found = teeDevices.filter(([path]) => existsSync(path)).map(([, name]) => name);
  if (found.length > 0) return { subject: "tee", status: "ok", text: found.join(", ") };
  const text = "no TEE device; nodes run with virtual attestation, for development only";
  return { subject: "tee", status: "warning", text };
}

async function findPort(port: number): Promise<Finding> {
  try {
    await checkPort("127.0.0.1", port);
    return { subject: "port", status: "ok", text: `127.0.0.1:${port} is free` };
  } catch (error) {
    return { subject: "port", status: "warning", text: errorToLine(error) };
  }
}

/** Certificates are refused by a machine whose clock is far off. */
const builtAfterMs = Date.UTC(2026, 0, 1);

function findClock(): Finding {
  const nowMs = Date.now();
  const text = new Date(nowMs).toISOString();
  if (nowMs >= builtAfterMs) return { subject: "clock", status: "ok", text };
  return { subject: "clock", status: "problem", text: `${text} is in the past; set the clock` };
}

const slowFlushMs = 20;
const flushCount = 15;

/** The median time of a small write that is flushed, as the ledger does. */
function findDisk(directory: string): Finding {
  const path = join(directory, `.coco-doctor-${process.pid}`);
  try {
    const handle = openSync(path, "wx");
    const timesMs: number[] = [];
    try {
      const block = Buffer.alloc(4096, 1);
      for (let index = 0; index < flushCount; index++) {
        const startedMs = performance.now();
        writeSync(handle, block);
        fsyncSync(handle);
        timesMs.push(performance.now() - startedMs);
      }
    } finally {
      closeSync(handle);
      rmSync(path, { force: true });
    }
    const medianMs = timesMs.sort((left, right) => left - right)[flushCount >> 1]!;
    const text = `a flushed 4 KiB write takes ${medianMs.toFixed(2)} ms (median of ${flushCount})`;
    const isSlow = medianMs > slowFlushMs;
    const advice = isSlow ? "; commits will wait for this disk" : "";
    return { subject: "disk", status: isSlow ? "warning" : "ok", text: text + advice };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    return { subject: "disk", status: "problem", text: `${directory} is not writable (${code})` };
  }
}
