/**
 * The evaluation of a committed polynomial at a point.
 * @source EIP-4844
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToNumber, numberToBytes } from "./precompile-input.ts";

const order = bls12_381.fields.Fr.ORDER;
const fieldElementsPerBlob = 4096n;

/** The second power of the secret of the public ceremony, on the second curve. */
const setupPower =
  "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d" +
  "2914e5870cb452d2afaaab24f3499f72185cbfee53492714734429b7b38608e2" +
  "3926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2";

/** Takes the versioned hash, z, y (32 bytes each), the commitment and the proof (48 bytes each). */
export function evaluatePoint(input: Uint8Array): Uint8Array | undefined {
  if (input.length !== 192) return undefined;
  const commitment = input.subarray(96, 144);
  const versionedHash = sha256(commitment);
  versionedHash[0] = 1;
  if (!versionedHash.every((byte, index) => byte === input[index])) return undefined;
  const z = bytesToNumber(input.subarray(32, 64));
  const y = bytesToNumber(input.subarray(64, 96));
  if (z >= order || y >= order) return undefined;
  if (!isProven(commitment, z, y, input.subarray(144, 192))) return undefined;
  const output = new Uint8Array(64);
  output.set(numberToBytes(fieldElementsPerBlob, 32));
  output.set(numberToBytes(order, 32), 32);
  return output;
}

/** True when e(commitment - y, -1) * e(proof, secret - z) is one. */
function isProven(commitment: Uint8Array, z: bigint, y: bigint, proof: Uint8Array): boolean {
  const { G1, G2, fields } = bls12_381;
  const value = readPoint(commitment).subtract(G1.Point.BASE.multiplyUnsafe(y));
  const quotient = readPoint(proof);
  const secret = G2.Point.fromHex(setupPower);
  const divisor = secret.subtract(G2.Point.BASE.multiplyUnsafe(z));
  const pairs = [
    { g1: value, g2: G2.Point.BASE.negate() },
    { g1: quotient, g2: divisor },
  ].filter(({ g1, g2 }) => !g1.is0() && !g2.is0());
  if (pairs.length === 0) return true;
  return fields.Fp12.eql(bls12_381.pairingBatch(pairs), fields.Fp12.ONE);
}

function readPoint(bytes: Uint8Array): InstanceType<typeof bls12_381.G1.Point> {
  const point = bls12_381.G1.Point.fromBytes(bytes);
  if (!point.is0()) point.assertValidity();
  return point;
}
