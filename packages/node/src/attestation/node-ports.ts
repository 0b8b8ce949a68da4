/** The ports on Node. HTTP is node:http: fetch() reserves more memory than enclaves have. */
import { execFile } from "node:child_process";
import { access, mkdir, open, readdir, rmdir } from "node:fs/promises";
import { type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import { attestationErrors } from "./errors.ts";
import type {
  AttestationPorts,
  DeviceChannel,
  DeviceFiles,
  HttpAnswer,
  HttpExchange,
  HttpRequest,
  RunProgram,
} from "./ports.ts";

const chunkSizeBytes = 16 * 1024;

async function readToEnd(path: string, sizeBytesMax: number): Promise<Uint8Array> {
  const handle = await open(path, "r");
  try {
    const chunks: Buffer[] = [];
    for (let size = 0; ; ) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(chunkSizeBytes));
      if (bytesRead === 0) return new Uint8Array(Buffer.concat(chunks));
      size += bytesRead;
      if (size > sizeBytesMax) throw Object.assign(new Error("too large"), { code: "EFBIG" });
      chunks.push(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

async function writeOnce(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, "w");
  try {
    const { bytesWritten } = await handle.write(bytes);
    if (bytesWritten !== bytes.length) {
      throw Object.assign(new Error("partly written"), { code: "EIO" });
    }
  } finally {
    await handle.close();
  }
}

async function openChannel(path: string): Promise<DeviceChannel> {
  const handle = await open(path, "r+");
  return {
    async exchange(command, answerSizeBytesMax) {
      await handle.write(command, 0, command.length, null);
      const { bytesRead, buffer } = await handle.read(
        Buffer.alloc(answerSizeBytesMax),
        0,
        answerSizeBytesMax,
        null,
      );
      return new Uint8Array(buffer.subarray(0, bytesRead));
    },
    close: () => handle.close(),
  };
}

export function createDeviceFiles(): DeviceFiles {
  return {
    exists: (path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    read: readToEnd,
    write: writeOnce,
    list: (directory) => readdir(directory),
    makeDirectory: async (path) => {
      await mkdir(path);
    },
    removeDirectory: (path) => rmdir(path),
    open: openChannel,
  };
}

export interface HttpLimits {
  /** Of the whole exchange. */
  readonly timeoutMs: number;
  readonly sizeBytesMax: number;
}

const defaultLimits: HttpLimits = { timeoutMs: 10_000, sizeBytesMax: 1024 * 1024 };

function readAnswer(
  message: IncomingMessage,
  limits: HttpLimits,
  done: (answer: HttpAnswer) => void,
  failed: (cause: Error) => void,
): void {
  const chunks: Buffer[] = [];
  let size = 0;
  message.on("data", (chunk: Buffer) => {
    size += chunk.length;
    chunks.push(chunk);
    if (size > limits.sizeBytesMax) message.destroy(new Error(`over ${limits.sizeBytesMax} bytes`));
  });
  message.on("error", failed);
  message.on("end", () => {
    const headers = new Map<string, string>();
    for (const [name, value] of Object.entries(message.headers)) {
      if (typeof value === "string") headers.set(name, value);
    }
    const body = new Uint8Array(Buffer.concat(chunks));
    done({ status: message.statusCode ?? 0, headers, body });
  });
}

function exchange(request: HttpRequest, limits: HttpLimits): Promise<HttpAnswer> {
  const { method = "GET", url, headers = {}, body } = request;
  return new Promise((done, failed) => {
    const send = url.startsWith("https:") ? requestTls : requestPlain;
    const outgoing = send(
      url,
      { method, headers, signal: AbortSignal.timeout(limits.timeoutMs) },
      (message) => readAnswer(message, limits, done, failed),
    );
    outgoing.on("error", failed);
    outgoing.end(body);
  });
}

export function createHttpExchange(limits: HttpLimits = defaultLimits): HttpExchange {
  return async (request) => {
    const shown = request.url.replace(/\?.*$/, "");
    try {
      return await exchange(request, limits);
    } catch (cause) {
      const detail = cause instanceof Error ? cause.message : "unknown failure";
      throw attestationErrors.create("HttpFailed", `${shown} (${detail})`, { url: shown }, cause);
    }
  };
}

const programLimits = { timeout: 60_000, maxBuffer: 1024 * 1024, encoding: "buffer" } as const;

const runProgram: RunProgram = (path, parameters) =>
  new Promise((done, failed) => {
    execFile(path, [...parameters], programLimits, (cause, output) => {
      if (cause === null) done(new Uint8Array(output));
      else failed(cause);
    });
  });

export function createAttestationPorts(): AttestationPorts {
  return {
    files: createDeviceFiles(),
    http: createHttpExchange(),
    clock: { nowMs: () => Date.now() },
    delay: async (timeMs) => {
      await delay(timeMs);
    },
    run: runProgram,
    environment: process.env,
    system: process.platform,
  };
}
