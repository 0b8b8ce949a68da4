/**
 * Addition, multiplication and pairing on the curve bn254.
 * @source EIP-196, EIP-197
 */
import { bn254 } from "@noble/curves/bn254.js";
import { bytesToNumber, numberToBytes, slice } from "./precompile-input.ts";

type Point = InstanceType<typeof bn254.G1.Point>;
type TwistPoint = InstanceType<typeof bn254.G2.Point>;

const { Fp, Fp2, Fp12 } = bn254.fields;

export function bn254Add(input: Uint8Array): Uint8Array {
  return writePoint(readPoint(slice(input, 0, 64)).add(readPoint(slice(input, 64, 64))));
}

export function bn254Multiply(input: Uint8Array): Uint8Array {
  const point = readPoint(slice(input, 0, 64));
  const factor = bytesToNumber(slice(input, 64, 32)) % bn254.fields.Fr.ORDER;
  if (factor === 0n || point.is0()) return new Uint8Array(64);
  return writePoint(point.multiplyUnsafe(factor));
}

export function bn254Pairing(input: Uint8Array): Uint8Array | undefined {
  if (input.length % 192 !== 0) return undefined;
  const pairs: { g1: Point; g2: TwistPoint }[] = [];
  for (let at = 0; at < input.length; at += 192) {
    const g1 = readPoint(input.subarray(at, at + 64));
    const g2 = readTwistPoint(input.subarray(at + 64, at + 192));
    if (!g1.is0() && !g2.is0()) pairs.push({ g1, g2 });
  }
  const isOne = pairs.length === 0 || Fp12.eql(bn254.pairingBatch(pairs), Fp12.ONE);
  const output = new Uint8Array(32);
  output[31] = isOne ? 1 : 0;
  return output;
}

/** Throws when the numbers are no point of the curve. */
function readPoint(bytes: Uint8Array): Point {
  const x = readCoordinate(bytes, 0);
  const y = readCoordinate(bytes, 32);
  if (x === 0n && y === 0n) return bn254.G1.Point.ZERO;
  const point = bn254.G1.Point.fromAffine({ x, y });
  point.assertValidity();
  return point;
}

function readTwistPoint(bytes: Uint8Array): TwistPoint {
  const [x1, x0, y1, y0] = [0, 32, 64, 96].map((at) => readCoordinate(bytes, at));
  const x = Fp2.fromBigTuple([x0!, x1!]);
  const y = Fp2.fromBigTuple([y0!, y1!]);
  if (Fp2.is0(x) && Fp2.is0(y)) return bn254.G2.Point.ZERO;
  const point = bn254.G2.Point.fromAffine({ x, y });
  point.assertValidity();
  return point;
}

function readCoordinate(bytes: Uint8Array, at: number): bigint {
  const value = bytesToNumber(bytes.subarray(at, at + 32));
  if (value >= Fp.ORDER) throw new RangeError("a coordinate is not below the field's order");
  return value;
}

function writePoint(point: Point): Uint8Array {
  const output = new Uint8Array(64);
  if (point.is0()) return output;
  const { x, y } = point.toAffine();
  output.set(numberToBytes(x, 32));
  output.set(numberToBytes(y, 32), 32);
  return output;
}
