/** The `logging` workload: private messages of 20 characters under numeric keys. */
import { assert } from "@coco/base";

const messageChars = "abcdefghijklmnopqrst";
const zero = 48;

/** Makes requests in place: the bytes that `next` returns are valid until the next call. */
export interface RequestMaker {
  next(): Uint8Array;
}

export interface LoggingWorkload {
  readonly keyCount: number;
  /** POST of a message; keys come in a scattered order without repetition until all were used. */
  createWriter(options?: { readonly waitsForCommit?: boolean }): RequestMaker;
  /** GET of messages; `writtenCount` says how many keys exist. */
  createReader(writtenCount: () => number): RequestMaker;
  /** Number of keys that writers have handed out. */
  readonly writtenCount: number;
}

/** The first key: a power of ten, so that all keys have the same number of digits. */
function firstKeyOf(keyCount: number): number {
  let first = 1000;
  while (keyCount > first * 9) first *= 10;
  return first;
}

/** A step without common factor with `keyCount`: multiples of it visit every key once. */
function scatterStepOf(keyCount: number): number {
  let step = Math.max(1, Math.floor(keyCount * 0.618)) | 1;
  while (commonFactor(step, keyCount) !== 1) step += 2;
  return step;
}

function commonFactor(left: number, right: number): number {
  return right === 0 ? left : commonFactor(right, left % right);
}

function patchDigits(bytes: Buffer, end: number, value: number): void {
  let rest = value;
  for (let at = end - 1; rest > 0; at--) {
    bytes[at] = zero + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

/** @param host value of the host header. @param keyCount number of distinct keys */
export function createLoggingWorkload(host: string, keyCount: number): LoggingWorkload {
  assert(Number.isSafeInteger(keyCount) && keyCount > 0, "there is at least one key");
  const firstKey = firstKeyOf(keyCount);
  const step = scatterStepOf(keyCount);
  const digits = String(firstKey).length;
  const keyAt = (index: number) => firstKey + ((index * step) % keyCount);
  let written = 0;
  return {
    keyCount,
    get writtenCount() {
      return Math.min(written, keyCount);
    },
    createWriter: ({ waitsForCommit = false } = {}) => {
      const body = `{"id":${firstKey},"msg":"${messageChars}"}`;
      const bytes = Buffer.from(
        `POST /app/log/private HTTP/1.1\r\nhost: ${host}\r\n` +
          (waitsForCommit ? "x-coco-wait: committed\r\n" : "") +
          `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      const keyEnd = bytes.length - body.length + 6 + digits;
      return {
        next: () => {
          patchDigits(bytes, keyEnd, keyAt(written++ % keyCount));
          return bytes;
        },
      };
    },
    createReader: (writtenCount) => {
      const bytes = Buffer.from(
        `GET /app/log/private?id=${firstKey} HTTP/1.1\r\nhost: ${host}\r\n\r\n`,
      );
      const keyEnd = "GET /app/log/private?id=".length + digits;
      let index = 0;
      return {
        next: () => {
          patchDigits(bytes, keyEnd, keyAt(index++ % Math.max(1, writtenCount())));
          return bytes;
        },
      };
    },
  };
}

/** Bytes of a plain GET. */
export function encodeGet(host: string, path: string): Uint8Array {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
}
