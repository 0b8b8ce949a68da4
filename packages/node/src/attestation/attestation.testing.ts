/** Fake devices and servers for tests of evidence providers, filled from real evidence. */
import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { concatBytes } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import { createHttpExchange } from "./node-ports.ts";
import type { AttestationPorts, DeviceChannel, DeviceFiles, HttpExchange } from "./ports.ts";

const folder = `${process.env["COCO_VECTORS"] ?? "../shared/vectors"}/tee`;

export const hasVectors = existsSync(`${folder}/MANIFEST.md`);
if (!hasVectors) console.warn("tests of evidence providers are skipped: no vectors");

export const crypto = createNodeCrypto();
export const noBytes: Uint8Array = new Uint8Array(0);

export function readVector(name: string): Uint8Array {
  return new Uint8Array(readFileSync(`${folder}/${name}`));
}

export function readVectorJson(name: string): Record<string, unknown> {
  const value = JSON.parse(readFileSync(`${folder}/${name}`, "utf8")) as Record<string, unknown>;
  return (value["evidence"] ?? value) as Record<string, unknown>;
}

export function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** Files in memory; a device is a function that makes a channel. */
export function fakeFiles(
  contents: Readonly<Record<string, Uint8Array | string>>,
  devices: Readonly<Record<string, () => DeviceChannel>> = {},
): DeviceFiles {
  const bytes = (path: string) => {
    const found = contents[path];
    if (found === undefined) throw failure("ENOENT");
    return typeof found === "string" ? new TextEncoder().encode(found) : found;
  };
  return {
    exists: async (path) => path in contents || path in devices,
    read: async (path) => bytes(path),
    write: async (path) => void bytes(path),
    list: async () => [],
    makeDirectory: () => Promise.reject(failure("ENOENT")),
    removeDirectory: () => Promise.reject(failure("ENOENT")),
    open: async (path) => {
      const device = devices[path];
      if (device === undefined) throw failure("ENOENT");
      return device();
    },
  };
}

export interface FakeTsm {
  readonly provider: string;
  readonly outblob: Uint8Array;
  readonly auxblob?: Uint8Array;
  /** Called before each read of the report; may throw, or bump the generation by true. */
  readonly disturb?: (count: number) => boolean;
}

/** configfs-tsm: entries, one write per report, generations. */
export function fakeConfigfs(tsm: FakeTsm): DeviceFiles & { readonly entries: Set<string> } {
  const entries = new Set<string>();
  const text = (value: string) => new TextEncoder().encode(`${value}\n`);
  let generation = 0;
  let readsCount = 0;
  let input = noBytes;
  const read = (attribute: string): Uint8Array => {
    if (attribute === "provider") return text(tsm.provider);
    if (attribute === "generation") return text(String(generation));
    if (attribute === "auxblob" && tsm.auxblob !== undefined) return tsm.auxblob;
    if (attribute !== "outblob") throw failure("ENOENT");
    if (input.length !== 64) throw failure("EINVAL");
    if (tsm.disturb?.(++readsCount)) generation++;
    return tsm.outblob;
  };
  const split = (path: string) => {
    const [, entry = "", attribute = ""] = /^(.*)\/([^/]+)$/.exec(path) ?? [];
    if (!entries.has(entry)) throw failure("ENOENT");
    return attribute;
  };
  return {
    ...fakeFiles({}),
    entries,
    read: async (path) => read(split(path)),
    write: async (path, bytes) => {
      if (split(path) !== "inblob") throw failure("EACCES");
      generation++;
      input = bytes;
    },
    makeDirectory: async (path) => {
      if (!path.startsWith("/sys/kernel/config/tsm/report/")) throw failure("ENOENT");
      entries.add(path);
    },
    removeDirectory: async (path) => void entries.delete(path),
  };
}

export interface FakeTpmParts {
  readonly hclReport: Uint8Array;
  readonly modulus: Uint8Array;
  readonly registers: readonly Uint8Array[];
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  /** Changes an answer, or replaces it. */
  readonly edit?: (answer: Uint8Array, code: number) => Uint8Array;
}

const u16 = (value: number) => Uint8Array.of(value >> 8, value & 255);
const u32 = (value: number) => concatBytes(u16(value >>> 16), u16(value & 0xffff));
const sized = (bytes: Uint8Array) => concatBytes(u16(bytes.length), bytes);

export function tpmAnswer(tag: number, status: number, body: Uint8Array): Uint8Array {
  const inner =
    tag === 0x8002 ? concatBytes(u32(body.length), body, u16(0), Uint8Array.of(1), u16(0)) : body;
  return concatBytes(u16(tag), u32(10 + inner.length), u32(status), inner);
}

/** A TPM that knows its commands byte by byte and answers with what a real one said. */
export class FakeTpm implements DeviceChannel {
  readonly challenges: Uint8Array[] = [];
  isClosed = false;
  readonly #parts: FakeTpmParts;

  constructor(parts: FakeTpmParts) {
    this.#parts = parts;
  }

  async exchange(command: Uint8Array): Promise<Uint8Array> {
    const view = new DataView(command.buffer, command.byteOffset, command.byteLength);
    const [tag, code] = [view.getUint16(0), view.getUint32(6)];
    if (view.getUint32(2) !== command.length) return tpmAnswer(0x8001, 0x142, noBytes);
    const answer = this.#answer(tag, code, command.subarray(10));
    return this.#parts.edit?.(answer, code) ?? answer;
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  #answer(tag: number, code: number, body: Uint8Array): Uint8Array {
    const { hclReport, modulus } = this.#parts;
    const hex = Buffer.from(body).toString("hex");
    if (tag === 0x8001 && code === 0x169 && hex === "01400001") {
      const area = concatBytes(u32(0x01400001), u16(11), u32(0), sized(noBytes));
      const size = u16(hclReport.length);
      return tpmAnswer(tag, 0, concatBytes(sized(concatBytes(area, size)), sized(noBytes)));
    }
    const read = /^40000001014000010000000940000009(?:0{10})(.{4})(.{4})$/;
    const [, length, offset] = read.exec(hex) ?? [];
    if (tag === 0x8002 && code === 0x14e && length !== undefined) {
      const from = Number.parseInt(offset!, 16);
      const part = hclReport.subarray(from, from + Number.parseInt(length, 16));
      return tpmAnswer(tag, 0, sized(part));
    }
    if (tag === 0x8001 && code === 0x173 && hex === "81000003") {
      const area = sized(concatBytes(new Uint8Array(22), sized(modulus)));
      return tpmAnswer(tag, 0, concatBytes(area, sized(noBytes), sized(noBytes)));
    }
    if (tag === 0x8001 && code === 0x17e) return this.#readRegisters(tag, body);
    if (tag === 0x8002 && code === 0x158) return this.#quote(tag, body);
    return tpmAnswer(0x8001, 0x18b, noBytes);
  }

  /** At most eight in one answer, as TPMs do. */
  #readRegisters(tag: number, body: Uint8Array): Uint8Array {
    const mask = body.subarray(7, 10);
    const indices = Array.from({ length: 24 }, (_, index) => index).filter(
      (index) => (mask[index >> 3]! >> (index & 7)) & 1,
    );
    const given = indices.slice(0, 8).map((index) => sized(this.#parts.registers[index]!));
    return tpmAnswer(tag, 0, concatBytes(u32(7), body, u32(given.length), ...given));
  }

  #quote(tag: number, body: Uint8Array): Uint8Array {
    const head = Buffer.from(body.subarray(0, 17)).toString("hex");
    const length = body[17]! * 256 + body[18]!;
    const tail = Buffer.from(body.subarray(19 + length)).toString("hex");
    if (head !== "8100000300000009400000090000000000" || tail !== "001000000001000b03ffffff") {
      return tpmAnswer(0x8001, 0x1d2, noBytes);
    }
    this.challenges.push(body.subarray(19, 19 + length));
    const { message, signature } = this.#parts;
    const signed = concatBytes(u16(0x14), u16(0x0b), sized(signature));
    return tpmAnswer(tag, 0, concatBytes(sized(message), signed));
  }
}

export interface FakeAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export interface FakeServer {
  readonly address: string;
  readonly asked: string[];
  close(): Promise<void>;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** An HTTP server on loopback; without an answer it says 404. */
export async function startServer(
  answer: (path: string, body: string, request: IncomingMessage) => FakeAnswer | undefined,
): Promise<FakeServer> {
  const asked: string[] = [];
  const server: Server = createServer(async (request, response) => {
    const path = request.url ?? "";
    asked.push(path);
    const {
      status = 200,
      headers = {},
      body = "",
    } = answer(path, await readBody(request), request) ?? {
      status: 404,
    };
    response.writeHead(status, { ...headers, connection: "close" });
    response.end(body);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}`,
    asked,
    close: () => new Promise((done) => server.close(() => done())),
  };
}

/** Sends every request to one loopback server, under the host it was meant for. */
export function redirectHttp(address: string): HttpExchange {
  const http = createHttpExchange({ timeoutMs: 5000, sizeBytesMax: 100_000 });
  return (request) => {
    const { host, pathname, search } = new URL(request.url);
    return http({ ...request, url: `${address}/${host}${pathname}${search}` });
  };
}

export function fakePorts(parts: Partial<AttestationPorts> & { readonly at?: string } = {}) {
  const { at = "2026-11-20T12:00:00Z", ...others } = parts;
  const pauses: number[] = [];
  const ports: AttestationPorts = {
    files: fakeFiles({}),
    http: createHttpExchange({ timeoutMs: 5000, sizeBytesMax: 100_000 }),
    clock: { nowMs: () => Date.parse(at) },
    delay: async (timeMs) => void pauses.push(timeMs),
    run: () => Promise.reject(failure("ENOENT")),
    environment: {},
    system: "linux",
    ...others,
  };
  return { ...ports, pauses };
}

/** Answers like Intel's service, from a bundle of collateral. */
export function answerAsIntel(bundle: Record<string, unknown>, path: string) {
  const text = (name: string) => String(bundle[name]);
  const statement = (field: string, name: string, header: string): FakeAnswer => ({
    headers: { [header]: encodeURIComponent(text(`${name}_issuer_chain`)) },
    body: `{"${field}":${text(name)},"signature":"${text(`${name}_signature`)}"}`,
  });
  if (/\/certification\/v4\/tcb\?fmspc=/.test(path)) {
    return statement("tcbInfo", "tcb_info", "TCB-Info-Issuer-Chain");
  }
  if (path.endsWith("/certification/v4/qe/identity")) {
    return statement("enclaveIdentity", "qe_identity", "SGX-Enclave-Identity-Issuer-Chain");
  }
  const chain = encodeURIComponent(text("pck_crl_issuer_chain"));
  const headers = { "SGX-PCK-CRL-Issuer-Chain": chain };
  const der = (name: string) => Buffer.from(text(name), "hex");
  if (path.includes("/pckcrl?ca=")) return { headers, body: der("pck_crl") };
  return path.endsWith("IntelSGXRootCA.der") ? { body: der("root_ca_crl") } : undefined;
}
