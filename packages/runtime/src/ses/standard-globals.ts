/** The globals that every program has: frozen, without state, shared by all. */
import type { Rng } from "@coco/base";

export interface StandardGlobalsOptions {
  /** Globals of a compartment: intrinsics that give no authority. */
  readonly intrinsics: Readonly<Record<PropertyKey, unknown>>;
  readonly rng: Rng;
  /** Host time, which is not trusted. */
  readonly nowMs: () => number;
  readonly promise: typeof Promise;
}

/** Not for programs, or made for each program. */
const withheld = new Set(["Compartment", "lockdown", "harden", "eval", "Function", "globalThis"]);

/**
 * SES leaves these out because the bits of a NaN differ between machines. Here nothing is executed
 * twice, and applications use them.
 */
const floatArrayNames = ["Float32Array", "Float64Array"];

export function createStandardGlobals(options: StandardGlobalsOptions): Record<string, unknown> {
  const { intrinsics } = options;
  const globals: Record<string, unknown> = {};
  for (const name of Object.getOwnPropertyNames(intrinsics)) {
    if (!withheld.has(name)) globals[name] = intrinsics[name];
  }
  for (const name of floatArrayNames) {
    globals[name] = harden((globalThis as Record<string, unknown>)[name]);
  }
  globals["Math"] = createMath(options.rng);
  globals["Date"] = createDate(options.nowMs);
  globals["Promise"] = options.promise;
  for (const name of ["Math", "Date", "Promise"]) harden(globals[name]);
  return globals;
}

/** `Math` with random numbers from the port, taken in blocks. */
function createMath(rng: Rng): object {
  let block: DataView = new DataView(new ArrayBuffer(0));
  let position = 0;
  const random = {
    random(): number {
      if (position >= block.byteLength) {
        const bytes = rng.bytes(1024);
        block = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        position = 0;
      }
      const high = block.getUint32(position) >>> 5;
      const low = block.getUint32(position + 4) >>> 6;
      position += 8;
      return (high * 2 ** 26 + low) / 2 ** 53;
    },
  };
  const own = { ...Object.getOwnPropertyDescriptors(Math), random: { value: random.random } };
  return Object.create(Object.prototype, own);
}

/** `Date` that tells the time of the host. */
function createDate(nowMs: () => number): typeof Date {
  const Original = Date;
  const now = () => Math.floor(nowMs());
  const construct = function (this: unknown, ...args: unknown[]): unknown {
    if (new.target === undefined) return new Original(now()).toString();
    const given = args.length === 0 ? [now()] : args;
    return Reflect.construct(Original, given, new.target);
  };
  const ScriptDate = construct as unknown as typeof Date;
  Object.defineProperties(ScriptDate, {
    name: { value: "Date" },
    length: { value: 7 },
    prototype: { value: Original.prototype },
    now: { value: now },
    parse: { value: Original.parse },
    UTC: { value: Original.UTC },
  });
  return ScriptDate;
}
