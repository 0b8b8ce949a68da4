/** A Windows machine with a TPM, made up: it writes logs, quotes and reports as real ones do. */
import { constants, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { concatBytes, utf8ToBytes } from "@coco/base";
import { crypto } from "../vectors.testing.ts";

export interface RsaKey {
  readonly privateKey: KeyObject;
  readonly spki: Uint8Array;
  readonly modulus: Uint8Array;
  readonly exponent: Uint8Array;
}

export function createRsaKey(): RsaKey {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const publicKey = createPublicKey(privateKey);
  const { n, e } = publicKey.export({ format: "jwk" });
  return {
    privateKey,
    spki: new Uint8Array(publicKey.export({ format: "der", type: "spki" })),
    modulus: Uint8Array.from(Buffer.from(n!, "base64url")),
    exponent: Uint8Array.from(Buffer.from(e!, "base64url")),
  };
}

const u32 = (...values: number[]) => {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setUint32(4 * index, value, true);
  return bytes;
};
const u16be = (value: number) => Uint8Array.of(value >> 8, value & 0xff);
const u16 = (value: number) => Uint8Array.of(value & 0xff, value >> 8);
const sized = (bytes: Uint8Array) => concatBytes(u16be(bytes.length), bytes);

/** A SIPA event: type, size, data. */
function sipa(type: number, data: Uint8Array): Uint8Array {
  return concatBytes(u32(type, data.length), data);
}

export function identityKeyEvent(key: RsaKey, type = 0x50023): Uint8Array {
  const { exponent, modulus } = key;
  const head = u32(1, 8 * modulus.length, exponent.length, modulus.length);
  return sipa(type, concatBytes(head, exponent, modulus));
}

/** Settings of a well configured boot, by SIPA number. */
export const goodSettings: Readonly<Record<number, number>> = {
  262145: 0,
  327681: 0,
  327682: 1,
  327683: 0,
  327685: 0,
  327686: 0,
  327690: 1,
  327698: 1,
  655361: 1,
  655362: 1,
  655363: 1,
};

interface LogEvent {
  readonly register: number;
  readonly type: number;
  readonly data: Uint8Array;
  /** What was extended, when it is not the hash of the data. */
  readonly digest?: Uint8Array;
}

function secureBootEvent(isOn: boolean): LogEvent {
  const name = Uint8Array.from("SecureBoot", (letter) => letter.charCodeAt(0));
  const wide = Uint8Array.from([...name].flatMap((letter) => [letter, 0]));
  const lengths = concatBytes(u32(name.length, 0), u32(1, 0));
  const data = concatBytes(new Uint8Array(16), lengths, wide, Uint8Array.of(isOn ? 1 : 0));
  return { register: 7, type: 0x80000001, data };
}

/** Events of one boot. */
export function bootEvents(
  settings: Readonly<Record<number, number>>,
  keyEvent: Uint8Array,
  isSecureBoot = true,
): LogEvent[] {
  const items = Object.entries(settings).map(([type, value]) =>
    sipa(Number(type), Uint8Array.of(value)),
  );
  const data = sipa(0x40010001, concatBytes(...items, keyEvent));
  return [secureBootEvent(isSecureBoot), { register: 12, type: 6, data }];
}

export function encodeLog(events: readonly LogEvent[]): Uint8Array {
  const spec = concatBytes(
    utf8ToBytes("Spec ID Event03\0"),
    u32(0, 0x00020200),
    u32(1),
    u16(0xb),
    u16(32),
    Uint8Array.of(0),
  );
  const head = concatBytes(u32(0, 3), new Uint8Array(20), u32(spec.length), spec);
  const rest = events.map(({ register, type, data, digest = crypto.sha256(data) }) =>
    concatBytes(u32(register, type, 1), u16(0xb), digest, u32(data.length), data),
  );
  return concatBytes(head, ...rest);
}

/** Registers 0 to 23 after the events. */
export function registersOf(events: readonly LogEvent[]): Uint8Array[] {
  const registers = Array.from({ length: 24 }, () => new Uint8Array(32));
  for (const { register, data, digest = crypto.sha256(data) } of events) {
    registers[register] = Uint8Array.from(crypto.sha256(concatBytes(registers[register]!, digest)));
  }
  return registers;
}

export function createQuote(
  key: RsaKey,
  registers: readonly Uint8Array[],
  nonce: Uint8Array = utf8ToBytes("challenge"),
  selection: readonly number[] = [7, 11, 12, 13, 14],
) {
  const mask = new Uint8Array(3);
  for (const index of selection) mask[index >> 3]! |= 1 << (index & 7);
  const digest = crypto.sha256(concatBytes(...selection.map((index) => registers[index]!)));
  const message = concatBytes(
    Uint8Array.of(0xff, 0x54, 0x43, 0x47, 0x80, 0x18),
    sized(new Uint8Array(34)),
    sized(nonce),
    new Uint8Array(17),
    new Uint8Array(8),
    Uint8Array.of(0, 0, 0, 1),
    u16be(0xb),
    Uint8Array.of(3),
    mask,
    sized(digest),
  );
  const signature = sign("sha256", message, key.privateKey);
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  return { message: hex(message), signature: hex(signature), pcrs: registers.map(hex) };
}

/** A signed report with one module. */
export function createVbsReport(key: RsaKey, flags = 0, enclaveData = new Uint8Array(64).fill(5)) {
  const identity = concatBytes(
    new Uint8Array(32).fill(1),
    new Uint8Array(32).fill(2),
    new Uint8Array(32).fill(3),
    new Uint8Array(32),
    u32(10, 11, 12, flags, 6, 0x10),
  );
  const name = Uint8Array.from([..."app.dll\0"].flatMap((letter) => [letter.charCodeAt(0), 0]));
  const block = concatBytes(u32(1, 8 + 100 + name.length), new Uint8Array(100), name);
  const size = 224 + block.length;
  const statement = concatBytes(u32(size, 1), enclaveData, identity, block);
  const signature = sign("sha256", statement, {
    key: key.privateKey,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: 32,
  });
  const header = u32(24 + size + signature.length, 1, 1, size, signature.length, 0);
  return concatBytes(header, statement, signature);
}
