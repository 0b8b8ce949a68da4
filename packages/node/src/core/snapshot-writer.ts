/**
 * Writes a snapshot to disk while the executor goes on with transactions: a millisecond of work,
 * then a rest. What it has written it reads again for the digest that the service will commit to;
 * the disk belongs to the host, so each part is checked to be what was written.
 */
import { createCipheriv, createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { equalBytes } from "@coco/base";
import type { SnapshotStream } from "@coco/store";
import { nodeErrors } from "./errors.ts";

export interface SnapshotWriterOptions {
  readonly stream: SnapshotStream;
  /** Ledger secret in force at the snapshot, 32 bytes. */
  readonly key: Uint8Array;
  /** Where to write; replaced when it is there. */
  readonly path: string;
  /** Asked after each rest: whether the snapshot has become useless. */
  readonly isCancelled: () => boolean;
}

export interface WrittenSnapshot {
  /** SHA-256 of the file. */
  readonly digest: Uint8Array;
  readonly sizeBytes: number;
  readonly rowCount: number;
  /** Longest time for which the event loop was held. */
  readonly holdMsMax: number;
}

/** Work between two rests, and the rest: short enough that no request waits for it noticeably. */
const pace = { workMs: 1, restMs: 1 } as const;
const prefixSizeBytes = 44;

interface WrittenPart {
  readonly sizeBytes: number;
  readonly digest: Uint8Array;
}

/** Undefined when it was cancelled. */
export async function writeSnapshot(
  options: SnapshotWriterOptions,
): Promise<WrittenSnapshot | undefined> {
  const { stream, path } = options;
  const pacer = new Pacer();
  pacer.begin();
  while (!stream.measure(() => pacer.isOver())) {
    await pacer.rest();
    if (options.isCancelled()) return undefined;
  }
  await pacer.rest();
  const handle = await open(path, "w+");
  try {
    const body = await writeBody(options, handle, pacer);
    if (body === undefined) return undefined;
    const prefix = stream.prefix(body.tag);
    await writeAll(handle, prefix, 0);
    const digest = createHash("sha256").update(prefix);
    if (!(await readBack(options, handle, body.parts, digest, pacer))) return undefined;
    const { sizeBytes, rowCount } = stream;
    const { holdMsMax } = pacer;
    return { digest: new Uint8Array(digest.digest()), sizeBytes, rowCount, holdMsMax };
  } finally {
    await handle.close();
  }
}

async function writeBody(
  { stream, key, isCancelled }: SnapshotWriterOptions,
  handle: FileHandle,
  pacer: Pacer,
): Promise<{ readonly tag: Uint8Array; readonly parts: readonly WrittenPart[] } | undefined> {
  const cipher = createCipheriv("aes-256-gcm", key, stream.iv);
  const parts: WrittenPart[] = [];
  let offset = prefixSizeBytes;
  for (;;) {
    if (isCancelled()) return undefined;
    pacer.begin();
    const part = stream.next(() => pacer.isOver());
    if (part === undefined) break;
    let { bytes } = part;
    if (part.domain === "private") bytes = cipher.update(bytes);
    else cipher.setAAD(bytes);
    parts.push({ sizeBytes: bytes.length, digest: sha256(bytes) });
    pacer.end();
    await writeAll(handle, bytes, offset);
    offset += bytes.length;
    await pacer.rest();
  }
  cipher.final();
  return { tag: cipher.getAuthTag(), parts };
}

/** @throws {CocoError} DiskFailed when the disk gives back something else than was written */
async function readBack(
  { path, isCancelled }: SnapshotWriterOptions,
  handle: FileHandle,
  parts: readonly WrittenPart[],
  digest: Hash,
  pacer: Pacer,
): Promise<boolean> {
  let offset = prefixSizeBytes;
  for (const { sizeBytes, digest: expected } of parts) {
    const bytes = new Uint8Array(sizeBytes);
    await readAll(handle, bytes, offset);
    pacer.begin();
    if (!equalBytes(sha256(bytes), expected)) {
      throw nodeErrors.create("DiskFailed", `${path} has changed since it was written`, { path });
    }
    digest.update(bytes);
    offset += sizeBytes;
    await pacer.rest();
    if (isCancelled()) return false;
  }
  return true;
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

export async function writeAll(
  handle: FileHandle,
  bytes: Uint8Array,
  offset: number,
): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const result = await handle.write(bytes, done, bytes.length - done, offset + done);
    done += result.bytesWritten;
  }
}

async function readAll(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, offset + done);
    // What is missing stays zero, and is found by its digest.
    if (bytesRead === 0) return;
    done += bytesRead;
  }
}

/** Divides the work into pieces, and measures them. */
class Pacer {
  holdMsMax = 0;
  #startMs = 0;
  #isRunning = false;

  begin(): void {
    this.#startMs = performance.now();
    this.#isRunning = true;
  }

  isOver(): boolean {
    return performance.now() - this.#startMs >= pace.workMs;
  }

  end(): void {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.holdMsMax = Math.max(this.holdMsMax, performance.now() - this.#startMs);
  }

  async rest(): Promise<void> {
    this.end();
    await new Promise((resolve) => setTimeout(resolve, pace.restMs));
    this.begin();
  }
}
