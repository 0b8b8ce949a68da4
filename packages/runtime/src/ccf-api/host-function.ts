/**
 * Functions of the host that programs may call. What they throw is an ordinary error: classes and
 * properties of the host's errors stay outside.
 */
type HostFunction = (...args: never[]) => unknown;

const plainPrototypes = new Set<unknown>([
  Error.prototype,
  TypeError.prototype,
  RangeError.prototype,
  SyntaxError.prototype,
]);

/** An error that programs may see: of an intrinsic class, with nothing but its message. */
export function toPlainError(error: unknown): Error {
  if (!(error instanceof Error)) return new Error("the host failed");
  const isPlain =
    plainPrototypes.has(Object.getPrototypeOf(error)) &&
    Object.getOwnPropertyNames(error).every((name) => name === "message" || name === "stack");
  if (isPlain) return error;
  if (error instanceof TypeError) return new TypeError(error.message);
  if (error instanceof RangeError) return new RangeError(error.message);
  return new Error(error.message);
}

/** Wraps the functions of an object, so that they throw plain errors and cannot be constructed. */
export function hostFunctions<Functions extends Readonly<Record<string, HostFunction>>>(
  functions: Functions,
): Functions {
  const wrapped: Record<string, HostFunction> = {};
  for (const [name, action] of Object.entries(functions)) {
    const method = {
      [name]: (...args: unknown[]): unknown => {
        try {
          return Reflect.apply(action, undefined, args);
        } catch (error) {
          throw toPlainError(error);
        }
      },
    }[name]!;
    Object.defineProperty(method, "length", { value: action.length });
    wrapped[name] = method as HostFunction;
  }
  return wrapped as Functions;
}

/** @throws {TypeError} as CCF words it */
export function expectCount(args: { readonly length: number }, count: number): void {
  if (args.length !== count) {
    throw new TypeError(`Passed ${args.length} arguments, but expected ${count}`);
  }
}

/** As `expectCount`, where the last argument may be left out. */
export function expectCounts(args: { readonly length: number }, least: number): void {
  if (args.length !== least && args.length !== least + 1) {
    throw new TypeError(`Passed ${args.length} arguments, but expected ${least} or ${least + 1}`);
  }
}

/** The bytes of an ArrayBuffer, not copied; undefined for anything else. */
export function bufferToBytes(value: unknown): Uint8Array | undefined {
  if (!(value instanceof ArrayBuffer)) return undefined;
  const bytes = new Uint8Array(value);
  // An object that only inherits from ArrayBuffer would be read as a list of numbers.
  return bytes.buffer === value ? bytes : undefined;
}

/** @throws {TypeError} as CCF words it */
export function expectBuffer(value: unknown): Uint8Array {
  const bytes = bufferToBytes(value);
  if (bytes === undefined) throw new TypeError("Argument must be an ArrayBuffer");
  return bytes;
}

/** A fresh ArrayBuffer with these bytes. */
export function bytesToBuffer(bytes: Uint8Array): ArrayBuffer {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy.buffer;
}

/** A whole number that is not negative. @throws {RangeError} */
export function expectIndex(value: unknown, message: string): number {
  const number = Math.trunc(Number(value));
  if (Number.isNaN(number)) return 0;
  if (number < 0 || !Number.isSafeInteger(number)) throw new RangeError(message);
  return number;
}
