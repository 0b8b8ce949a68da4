/** A sandbox in a process of its own, so that its processor time can be told apart. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { cliErrors } from "../errors.ts";
import type { SandboxFacts } from "./facts.ts";

export interface ChildSandbox {
  readonly facts: SandboxFacts;
  readonly pid: number;
  stop(): Promise<void>;
}

const entry = fileURLToPath(new URL("../../bin/coco.js", import.meta.url));
const talkLengthMax = 8192;

/** A built command has been prepared already; tests run from the sources, which may be newer. */
const isPrepared = import.meta.url.endsWith(".js");

/** Starts `coco sandbox --json` and waits until it is ready. @throws {CocoError} SandboxFailed */
export function startChildSandbox(
  args: readonly string[],
  stop: AbortSignal,
): Promise<ChildSandbox> {
  const child = spawn(process.execPath, [entry, "sandbox", "--json", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...(isPrepared && { COCO_PREPARED: "1" }) },
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const end = () => {
    if (child.exitCode === null) child.kill("SIGTERM");
  };
  stop.addEventListener("abort", end);
  let out = "";
  let talk = "";
  child.stderr.on("data", (chunk: Buffer) => {
    talk = (talk + chunk.toString("utf8")).slice(-talkLengthMax);
  });
  return new Promise((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString("utf8");
      const line = out.indexOf("\n");
      if (line < 0 || child.pid === undefined) return;
      const facts = JSON.parse(out.slice(0, line)) as Partial<SandboxFacts>;
      // The line of a failure has no URL; the reason follows with the end of the process.
      if (facts.url === undefined) return;
      const stopChild = async () => {
        stop.removeEventListener("abort", end);
        end();
        await ended;
      };
      resolve({ facts: facts as SandboxFacts, pid: child.pid, stop: stopChild });
    });
    child.once("exit", (code) => {
      const reason = talk.trim().split("\n").at(-1) ?? "";
      reject(cliErrors.create("SandboxFailed", `it ended with code ${code}; ${reason}`));
    });
  });
}
