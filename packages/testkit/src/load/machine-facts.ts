import { createHash } from "node:crypto";
import { arch, cpus, platform, release, totalmem } from "node:os";

/** What a figure was measured on; figures of different machines are not comparable. */
export interface MachineFacts {
  readonly cpuModel: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly nodeVersion: string;
  readonly opensslVersion: string;
  /** SHA-256 over 64 KB blocks on one thread, now: shows how busy the neighbours are. */
  readonly sha256MegabytesPerSecond: number;
  readonly measuredAt: string;
}

/** Takes about 100 ms. */
export function readMachineFacts(): MachineFacts {
  const processors = cpus();
  return {
    cpuModel: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
    platform: `${platform()} ${release()} ${arch()}`,
    nodeVersion: process.version,
    opensslVersion: process.versions.openssl,
    sha256MegabytesPerSecond: calibrate(100),
    measuredAt: new Date().toISOString(),
  };
}

function calibrate(durationMs: number): number {
  const block = Buffer.alloc(65_536, 7);
  const hash = createHash("sha256");
  const startMs = performance.now();
  let sizeBytes = 0;
  while (performance.now() - startMs < durationMs) {
    hash.update(block);
    sizeBytes += block.length;
  }
  return Math.round(sizeBytes / 1e6 / ((performance.now() - startMs) / 1000));
}
