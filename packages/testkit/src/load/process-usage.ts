/** What the kernel says about a process: Linux only; elsewhere nothing is known. */
import { readFileSync } from "node:fs";

export interface ProcessUsage {
  /** User and system time of all its threads. */
  readonly cpuMicros: number;
  readonly rssBytes: number;
}

/** The kernel counts in hundredths of a second on every platform that Node runs on. */
const microsPerTick = 10_000;

/** Undefined where the process cannot be looked at. */
export function readProcessUsage(pid: number): ProcessUsage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name of the program, in parentheses, may hold spaces: count fields behind it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const rssKilobytes = Number(/^VmRSS:\s+([0-9]+) kB/m.exec(status)?.[1] ?? Number.NaN);
    return { cpuMicros: ticks * microsPerTick, rssBytes: rssKilobytes * 1024 };
  } catch {
    return undefined;
  }
}
