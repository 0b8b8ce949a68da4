/**
 * The few commands of a TPM 2.0 that attestation needs, over a device file. Integers are big
 * endian. @source TCG TPM 2.0 Library, parts 2 and 3
 */
import { assert, concatBytes, isCocoError } from "@coco/base";
import { failureCode } from "./device-failure.ts";
import { attestationErrors } from "./errors.ts";
import type { DeviceChannel } from "./ports.ts";

const command = {
  nvRead: 0x14e,
  quote: 0x158,
  nvReadPublic: 0x169,
  readPublic: 0x173,
  pcrRead: 0x17e,
} as const;

const noSessions = 0x8001;
const withSessions = 0x8002;
const passwordSession = 0x40000009;
const ownerHandle = 0x40000001;
const sha256Bank = 0x000b;
const noScheme = 0x0010;
const answerSizeBytesMax = 4096;
const nvChunkSizeBytes = 512;
const nvSizeBytesMax = 16 * 1024;
const attemptsMax = 8;
const pauseMs = 10;

/** Yielded, testing, retry: the same command will work later. */
const passingCodes = new Set([0x908, 0x90a, 0x922]);

export const registersCount = 24;
const registerSizeBytes = 32;

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff);
}

function sized(bytes: Uint8Array): Uint8Array {
  return concatBytes(u16(bytes.length), bytes);
}

/** Empty password. */
const authorization = concatBytes(u32(9), u32(passwordSession), u16(0), Uint8Array.of(0), u16(0));

/** Bits of the registers, in three bytes. */
function selectRegisters(indices: readonly number[]): Uint8Array {
  const mask = new Uint8Array(3);
  for (const index of indices) mask[index >> 3]! |= 1 << (index & 7);
  return concatBytes(u32(1), u16(sha256Bank), Uint8Array.of(mask.length), mask);
}

class AnswerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(lengthBytes: number): Uint8Array {
    const end = this.#at + lengthBytes;
    if (end > this.#bytes.length) {
      throw attestationErrors.create("DeviceAnswerMalformed", "the TPM's answer is too short");
    }
    const taken = this.#bytes.slice(this.#at, end);
    this.#at = end;
    return taken;
  }

  u16(): number {
    const [high, low] = this.take(2);
    return high! * 256 + low!;
  }

  u32(): number {
    return this.u16() * 0x1_0000 + this.u16();
  }

  sized(): Uint8Array {
    return this.take(this.u16());
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.#at);
  }
}

export interface TpmQuoteAnswer {
  /** TPMS_ATTEST. */
  readonly message: Uint8Array;
  /** The RSA signature alone. */
  readonly signature: Uint8Array;
}

export class TpmDevice {
  readonly #channel: DeviceChannel;
  readonly #delay: (timeMs: number) => Promise<void>;

  constructor(channel: DeviceChannel, delay: (timeMs: number) => Promise<void>) {
    this.#channel = channel;
    this.#delay = delay;
  }

  /** @returns undefined when the index is not defined. @throws {CocoError} TpmFailed */
  async nvSize(index: number): Promise<number | undefined> {
    const answer = await this.#run("NV_ReadPublic", command.nvReadPublic, noSessions, u32(index));
    // Handle errors: this TPM has no such index.
    if (typeof answer === "number") return undefined;
    const area = new AnswerReader(answer.sized());
    area.take(4 + 2 + 4);
    area.sized();
    return area.u16();
  }

  /** @throws {CocoError} TpmFailed */
  async nvRead(index: number): Promise<Uint8Array> {
    const size = (await this.nvSize(index)) ?? 0;
    if (size === 0 || size > nvSizeBytesMax) {
      throw attestationErrors.create("TpmFailed", `index 0x${index.toString(16)}: ${size} bytes`);
    }
    const parts: Uint8Array[] = [];
    for (let offset = 0; offset < size; offset += nvChunkSizeBytes) {
      const length = Math.min(nvChunkSizeBytes, size - offset);
      const handles = concatBytes(u32(ownerHandle), u32(index), authorization);
      const body = concatBytes(handles, u16(length), u16(offset));
      const part = (await this.#demand("NV_Read", command.nvRead, withSessions, body)).sized();
      if (part.length !== length) {
        throw attestationErrors.create("DeviceAnswerMalformed", "a part of an index is too short");
      }
      parts.push(part);
    }
    return concatBytes(...parts);
  }

  /** The public area of a key: its modulus stands at the end. */
  async readPublic(handle: number): Promise<Uint8Array> {
    const name = "ReadPublic";
    return (await this.#demand(name, command.readPublic, noSessions, u32(handle))).sized();
  }

  /** Values of the 24 registers of the SHA-256 bank. */
  async readRegisters(): Promise<Uint8Array[]> {
    const values: Uint8Array[] = [];
    while (values.length < registersCount) {
      const indices = Array.from(
        { length: registersCount - values.length },
        (_, offset) => values.length + offset,
      );
      const selection = selectRegisters(indices);
      const answer = await this.#demand("PCR_Read", command.pcrRead, noSessions, selection);
      answer.take(4 + 4 + 2);
      answer.take(answer.take(1)[0]!);
      const count = answer.u32();
      if (count === 0 || count > indices.length) {
        throw attestationErrors.create("TpmFailed", "PCR_Read: the SHA-256 bank is off");
      }
      for (let index = 0; index < count; index++) {
        const value = answer.sized();
        if (value.length !== registerSizeBytes) {
          throw attestationErrors.create("DeviceAnswerMalformed", "a register is not 32 bytes");
        }
        values.push(value);
      }
    }
    return values;
  }

  /** A quote over all registers by the key's own scheme. @param challenge at most 64 bytes */
  async quote(handle: number, challenge: Uint8Array): Promise<TpmQuoteAnswer> {
    assert(challenge.length <= 64, "a challenge has at most 64 bytes");
    const all = Array.from({ length: registersCount }, (_, index) => index);
    const body = concatBytes(
      u32(handle),
      authorization,
      sized(challenge),
      u16(noScheme),
      selectRegisters(all),
    );
    const answer = await this.#demand("Quote", command.quote, withSessions, body);
    const message = answer.sized();
    // Algorithm and hash: the verifier finds out whether they are right.
    answer.take(4);
    return { message, signature: answer.sized() };
  }

  async #demand(name: string, code: number, tag: number, body: Uint8Array): Promise<AnswerReader> {
    const answer = await this.#run(name, code, tag, body);
    if (typeof answer !== "number") return answer;
    const shown = `${name}: response code 0x${answer.toString(16)}`;
    throw attestationErrors.create("TpmFailed", shown, { responseCode: answer });
  }

  /** @returns the parameters, or the response code when it is not success */
  async #run(
    name: string,
    code: number,
    tag: number,
    body: Uint8Array,
  ): Promise<AnswerReader | number> {
    const bytes = concatBytes(u16(tag), u32(10 + body.length), u32(code), body);
    let status = 0;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      if (attempt > 0) await this.#delay(pauseMs * 2 ** attempt);
      const answer = new AnswerReader(await this.#exchange(name, bytes));
      const answerTag = answer.u16();
      const size = answer.u32();
      status = answer.u32();
      if (passingCodes.has(status)) continue;
      if (status !== 0) return status;
      const parameters = answer.rest();
      const isWhole = answerTag === tag && size === 10 + parameters.length;
      if (!isWhole) throw attestationErrors.create("DeviceAnswerMalformed", `TPM, ${name}`);
      const reader = new AnswerReader(parameters);
      return tag === withSessions ? new AnswerReader(reader.take(reader.u32())) : reader;
    }
    return status;
  }

  async #exchange(name: string, bytes: Uint8Array): Promise<Uint8Array> {
    try {
      return await this.#channel.exchange(bytes, answerSizeBytesMax);
    } catch (cause) {
      if (isCocoError(cause)) throw cause;
      const detail = `${name}: ${failureCode(cause) || "the device failed"}`;
      throw attestationErrors.create("TpmFailed", detail, {}, cause);
    }
  }
}
