/** The precompiled contracts that the module leaves to its host. */
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { ripemd160 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { runBlsPrecompile } from "./bls-precompiles.ts";
import { bn254Add, bn254Multiply, bn254Pairing } from "./bn254-precompiles.ts";
import { type Fork, isForkFrom } from "./forks.ts";
import { evaluatePoint } from "./kzg-precompile.ts";
import { modularExponentiation } from "./modexp-precompile.ts";
import { type PrecompileResult, priced, slice } from "./precompile-input.ts";
import type { EvmHost } from "./types.ts";

export interface PrecompileContext {
  readonly fork: Fork;
  readonly host: EvmHost;
}

const nothing = new Uint8Array();

/** Undefined when the contract fails, which costs all its gas. */
export function runPrecompile(
  id: number,
  input: Uint8Array,
  gas: bigint,
  context: PrecompileContext,
): PrecompileResult | undefined {
  const { fork } = context;
  const words = BigInt((input.length + 31) >>> 5);
  switch (id) {
    case 1:
      return priced(3000n, gas, () => recoverSigner(input, context.host));
    case 2:
      return priced(60n + 12n * words, gas, () => sha256(input));
    case 3:
      return priced(600n + 120n * words, gas, () => padLeft(ripemd160(input)));
    case 5:
      return modularExponentiation(input, gas, fork);
    case 6:
      return priced(isForkFrom(fork, "istanbul") ? 150n : 500n, gas, () => bn254Add(input));
    case 7:
      return priced(isForkFrom(fork, "istanbul") ? 6000n : 40_000n, gas, () => {
        return bn254Multiply(input);
      });
    case 8:
      return priced(pairingGas(input.length, fork), gas, () => bn254Pairing(input));
    case 10:
      return priced(50_000n, gas, () => evaluatePoint(input));
    case 0x100:
      return priced(6900n, gas, () => verifyP256(input));
    default:
      return runBlsPrecompile(id, input, gas);
  }
}

function pairingGas(size: number, fork: Fork): bigint {
  const pairs = BigInt(Math.floor(size / 192));
  return isForkFrom(fork, "istanbul") ? 45_000n + 34_000n * pairs : 100_000n + 80_000n * pairs;
}

function padLeft(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(32);
  padded.set(bytes, 32 - bytes.length);
  return padded;
}

function recoverSigner(input: Uint8Array, host: EvmHost): Uint8Array {
  const data = slice(input, 0, 128);
  const hash = data.subarray(0, 32);
  const isPlain = data.subarray(32, 63).every((byte) => byte === 0);
  const recovery = data[63]! - 27;
  if (!isPlain || (recovery !== 0 && recovery !== 1)) return nothing;
  const signature = data.subarray(64, 128);
  const recover = host.recover ?? recoverPublicKey;
  let publicKey: Uint8Array | undefined;
  try {
    publicKey = recover(hash, signature, recovery);
  } catch {
    // Numbers out of range or a point that does not exist: the contract answers with nothing.
  }
  return publicKey === undefined ? nothing : padLeft(keccak_256(publicKey).subarray(12));
}

/** The 64-byte public key of the signer. */
export function recoverPublicKey(
  hash: Uint8Array,
  signature: Uint8Array,
  recovery: number,
): Uint8Array {
  const parsed = secp256k1.Signature.fromBytes(signature, "compact").addRecoveryBit(recovery);
  return parsed.recoverPublicKey(hash).toBytes(false).subarray(1);
}

/** EIP-7951: the digest, r, s and the public key, 32 bytes each. */
function verifyP256(input: Uint8Array): Uint8Array {
  if (input.length !== 160) return nothing;
  const publicKey = new Uint8Array(65);
  publicKey[0] = 4;
  publicKey.set(input.subarray(96), 1);
  const options = { prehash: false, lowS: false };
  try {
    const isValid = p256.verify(input.subarray(32, 96), input.subarray(0, 32), publicKey, options);
    return isValid ? padLeft(Uint8Array.of(1)) : nothing;
  } catch {
    return nothing;
  }
}
