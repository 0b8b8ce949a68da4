/** What the module calls: the state, block hashes, precompiled contracts and the tracer. */
import { frameLayout, statusOf } from "./layout.ts";
import type { ModuleExports } from "./module-exports.ts";
import { runPrecompile } from "./precompiles.ts";
import type { EvmCallKind, EvmOptions, EvmStep } from "./types.ts";
import type { Views } from "./views.ts";

export interface HostCalls {
  readonly imports: Readonly<Record<string, object>>;
  useViews(views: Views): void;
}

const callKinds: readonly EvmCallKind[] = [
  "CALL",
  "CALLCODE",
  "DELEGATECALL",
  "STATICCALL",
  "CREATE",
  "CREATE2",
  "SELFDESTRUCT",
];

// Keccak-256 of nothing.
const emptyCodeHash = Uint8Array.from(
  "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470".match(/../g)!,
  (byte) => Number.parseInt(byte, 16),
);

export function createImports(options: EvmOptions, exports: () => ModuleExports): HostCalls {
  let views!: Views;
  const output = { bytes: new Uint8Array() };
  const host = {
    ...stateCalls(options, () => views),
    ...precompileCalls(options, () => views, output),
    ...traceCalls(options, () => views, exports),
  };
  return {
    imports: { host },
    useViews: (given) => {
      views = given;
    },
  };
}

function stateCalls({ state, host }: EvmOptions, views: () => Views) {
  let code: Uint8Array = new Uint8Array();
  return {
    loadAccount(address: number, out: number): number {
      const account = state.account(views().copy(address, 20));
      if (account === undefined) return 0;
      views().writeWord(out, account.balance);
      views().data.setBigUint64(out + 32, account.nonce, true);
      views().bytes.set(account.codeHash ?? emptyCodeHash, out + 40);
      return 1;
    },
    loadSlot(address: number, key: number, out: number): void {
      const value = state.slot(views().copy(address, 20), views().copy(key, 32));
      if (value !== undefined) views().writeBytesAsWord(out, value);
    },
    hasStorage: (address: number): number => {
      return state.hasStorage(views().copy(address, 20)) ? 1 : 0;
    },
    loadCode(codeHash: number): number {
      const hash = views().copy(codeHash, 32);
      const isEmpty = hash.every((byte, index) => byte === emptyCodeHash[index]);
      code = isEmpty ? new Uint8Array() : state.code(hash);
      return code.length;
    },
    copyCode: (out: number): void => views().bytes.set(code, out),
    blockHash(number: bigint, out: number): void {
      views().bytes.set(host?.blockHash?.(BigInt.asUintN(64, number)) ?? new Uint8Array(32), out);
    },
  };
}

function precompileCalls(
  { fork = "osaka", host = {} }: EvmOptions,
  views: () => Views,
  output: { bytes: Uint8Array },
) {
  return {
    precompile(id: number, input: number, size: number, gas: bigint): bigint {
      const result = runPrecompile(id, views().copy(input, size), gas, { fork, host });
      if (result === undefined) return -1n;
      output.bytes = result.output;
      return result.gasUsed;
    },
    outputSize: (): number => output.bytes.length,
    copyOutput: (out: number): void => views().bytes.set(output.bytes, out),
  };
}

function traceCalls({ tracer }: EvmOptions, views: () => Views, exports: () => ModuleExports) {
  return {
    traceStep(pc: number, operation: number, gas: bigint, depth: number): void {
      tracer?.step?.(readStep(views(), exports(), { pc, operation, gas, depth }));
    },
    traceEnter(kind: number, depth: number): void {
      if (tracer?.enter === undefined) return;
      const memory = views();
      const isDestruction = callKinds[kind] === "SELFDESTRUCT";
      const at = exports().frameOf(isDestruction ? depth - 1 : depth);
      const inputAt = memory.number(at + frameLayout.input);
      const inputSize = memory.number(at + frameLayout.inputSize);
      tracer.enter({
        kind: callKinds[kind]!,
        depth,
        caller: memory.readWordAsBytes(at + frameLayout.caller, 20),
        target: memory.readWordAsBytes(at + frameLayout.target, 20),
        value: memory.readWord(at + frameLayout.value),
        gas: memory.data.getBigInt64(at + frameLayout.gasGiven, true),
        input: isDestruction ? new Uint8Array() : memory.copy(inputAt, inputSize),
      });
    },
    traceExit(halt: number, gasUsed: bigint, output: number, size: number): void {
      tracer?.exit?.({ status: statusOf(halt), gasUsed, output: views().copy(output, size) });
    },
  };
}

function readStep(
  views: Views,
  exports: ModuleExports,
  step: Pick<EvmStep, "pc" | "operation" | "gas" | "depth">,
): EvmStep {
  const frame = exports.frameOf(step.depth);
  return {
    ...step,
    address: views.readWordAsBytes(frame + frameLayout.address, 20),
    refund: exports.refundOf(),
    stack: () => {
      const end = views.number(exports.environmentAt() + 328);
      const items: bigint[] = [];
      for (let at = exports.stackBaseOf(); at < end; at += 32) items.push(views.readWord(at));
      return items;
    },
    memory: () => views.copy(exports.memoryAt(), exports.memorySizeOf()),
  };
}
