// Goal: the face of the machine: messages, results, write sets, limits, tracing.
import { describe, expect, it } from "vitest";
import { createEvm, type Evm } from "./evm.ts";
import type { Fork } from "./forks.ts";
import { fromHex, MemoryState, toHex } from "./node/conformance/memory-state.ts";
import { loadEvmModule } from "./node/index.ts";
import type { EvmBlock, EvmMessage, EvmTracer } from "./types.ts";

const caller = fromHex("c0".repeat(20));
const contract = fromHex("aa".repeat(20));
const other = fromHex("bb".repeat(20));
const block: EvmBlock = {
  number: 5n,
  timestamp: 1000n,
  coinbase: fromHex("cb".repeat(20)),
  gasLimit: 30_000_000n,
  chainId: 7n,
  baseFee: 3n,
};

interface Given {
  readonly code: string;
  readonly fork?: Fork;
  readonly tracer?: EvmTracer;
  readonly memorySizeMax?: number;
}

function machine({ code, fork = "osaka", tracer, memorySizeMax }: Given): {
  readonly evm: Evm;
  readonly state: MemoryState;
} {
  const state = new MemoryState();
  state.put(caller, { balance: 10n ** 18n });
  state.put(contract, { nonce: 1n, code: fromHex(code) });
  const module = loadEvmModule({ isTracing: tracer !== undefined });
  const limits = memorySizeMax === undefined ? {} : { memorySizeMax };
  const evm = createEvm({ module, state, fork, ...(tracer && { tracer }), ...limits });
  evm.beginTransaction();
  return { evm, state };
}

function call(evm: Evm, more: Partial<EvmMessage> = {}) {
  return evm.execute({ caller, to: contract, gas: 1_000_000n, block, ...more });
}

/** Returns the word on top of the stack. */
const returnTop = "60005260206000f3";

describe("a message", () => {
  it("runs code and gives gas and output back", () => {
    const { evm } = machine({ code: `6002600301${returnTop}` });
    const result = call(evm);
    expect(result.status).toBe("success");
    expect(BigInt(`0x${toHex(result.output)}`)).toBe(5n);
    expect(result.gasUsed).toBe(24n);
  });

  it("reads its block, input, value and caller", () => {
    // CHAINID, NUMBER, CALLVALUE and the first word of the input, added.
    const { evm } = machine({ code: `4643340160003501 01${returnTop}`.replaceAll(" ", "") });
    const data = fromHex("01".padStart(64, "0"));
    const result = call(evm, { value: 11n, data });
    expect(BigInt(`0x${toHex(result.output)}`)).toBe(7n + 5n + 11n + 1n);
  });

  it("leaves nothing of a revert but its output and gas", () => {
    // SSTORE(0, 1), then REVERT with one byte of memory.
    const { evm } = machine({ code: "6001600055602a60005360016000fd" });
    const result = call(evm, { value: 5n });
    expect(result.status).toBe("revert");
    expect(toHex(result.output)).toBe("2a");
    expect(evm.takeWriteSet()).toEqual({ accounts: [] });
  });

  it("gives logs back in order", () => {
    // LOG1 with topic 9 and two bytes of memory, then LOG0.
    const { evm } = machine({ code: "61beef60005260096002601ea160006000a000" });
    const { logs } = call(evm);
    expect(logs.map(({ data, topics }) => [toHex(data), topics.length])).toEqual([
      ["beef", 1],
      ["", 0],
    ]);
    expect(toHex(logs[0]!.address)).toBe(toHex(contract));
    expect(BigInt(`0x${toHex(logs[0]!.topics[0]!)}`)).toBe(9n);
  });

  it("creates a contract", () => {
    const { evm, state } = machine({ code: "" });
    // Init code that returns one STOP byte as code.
    const { to: _, ...message } = { caller, to: contract, gas: 100_000n, block };
    const result = evm.execute({ ...message, data: fromHex("60016000f3") });
    expect(result.status).toBe("success");
    state.apply(evm.takeWriteSet());
    expect(state.account(result.created!)).toMatchObject({ nonce: 1n, balance: 0n });
    expect(state.account(caller)?.nonce).toBe(1n);
    expect(evm.code(result.created!)).toEqual(Uint8Array.of(0));
  });

  it("refuses what is not a message", () => {
    const { evm } = machine({ code: "" });
    expect(() => call(evm, { to: new Uint8Array(19) })).toThrow("an address has 19 bytes");
    expect(() => call(evm, { gas: -1n })).toThrow("gas is out of range");
  });
});

describe("the write set", () => {
  it("holds net changes since the last one", () => {
    // SSTORE(input, CALLVALUE)
    const { evm, state } = machine({ code: "3460003555" });
    call(evm, { value: 4n });
    const first = evm.takeWriteSet();
    expect(first.accounts.map(({ address }) => toHex(address)).sort()).toEqual(
      [toHex(contract), toHex(caller)].sort(),
    );
    state.apply(first);
    expect(evm.takeWriteSet()).toEqual({ accounts: [] });
    const place = evm.checkpoint();
    evm.beginTransaction();
    call(evm, { value: 9n });
    evm.revertTo(place);
    expect(evm.takeWriteSet()).toEqual({ accounts: [] });
    expect(toHex(evm.slot(contract, new Uint8Array(32)))).toBe("04".padStart(64, "0"));
  });

  it("removes a contract that was created and destroyed in one transaction", () => {
    const { evm } = machine({ code: "" });
    // Init code: SELFDESTRUCT to the caller.
    const result = evm.execute({ caller, gas: 100_000n, block, data: fromHex("33ff"), value: 1n });
    evm.endTransaction();
    expect(result.status).toBe("success");
    const changed = evm.takeWriteSet().accounts.map(({ address }) => toHex(address));
    expect(changed).toEqual([toHex(caller)]);
  });
});

describe("limits", () => {
  it("an endless loop ends with its gas", () => {
    const { evm } = machine({ code: "5b600056" });
    expect(call(evm)).toMatchObject({ status: "outOfGas", gasUsed: 1_000_000n });
  });

  it("memory over the limit is out of gas, whatever gas there is", () => {
    const { evm } = machine({ code: "6001630fffffff5300", memorySizeMax: 1_000_000 });
    expect(call(evm, { gas: (1n << 63n) - 1n }).status).toBe("outOfGas");
    expect(call(evm, { to: other }).status).toBe("success");
  });

  it("a contract that calls itself stops at depth 1,024", () => {
    // Adds one to slot 0, then calls itself with all gas.
    const code = "60005460010160005560006000600060006000305af100";
    const { evm } = machine({ code, fork: "tangerineWhistle" });
    expect(call(evm, { gas: 1n << 50n }).status).toBe("success");
    expect(BigInt(`0x${toHex(evm.slot(contract, new Uint8Array(32)))}`)).toBe(1025n);
  });

  it("an error of the state comes through and leaves a usable machine", () => {
    const { evm, state } = machine({ code: "600054" });
    state.slot = () => {
      throw new Error("the store is closed");
    };
    expect(() => call(evm)).toThrow("the store is closed");
    expect(call(evm, { to: other }).status).toBe("success");
  });
});

describe("tracing", () => {
  it("reports every operation and every call", () => {
    const lines: string[] = [];
    const tracer: EvmTracer = {
      step: ({ pc, operation, depth, stack }) => {
        lines.push(`${depth} ${pc} ${operation.toString(16)} [${stack().join(" ")}]`);
      },
      enter: ({ kind, target }) => lines.push(`enter ${kind} ${toHex(target).slice(0, 4)}`),
      exit: ({ status, gasUsed }) => lines.push(`exit ${status} ${gasUsed}`),
    };
    // STATICCALL of an account without code.
    const { evm } = machine({ code: `5f5f5f5f73${toHex(other)}5afa00`, tracer });
    call(evm);
    expect(lines).toEqual([
      "enter CALL aaaa",
      "1 0 5f []",
      "1 1 5f [0]",
      "1 2 5f [0 0]",
      "1 3 5f [0 0 0]",
      "1 4 73 [0 0 0 0]",
      `1 25 5a [0 0 0 0 ${BigInt(`0x${toHex(other)}`)}]`,
      `1 26 fa [0 0 0 0 ${BigInt(`0x${toHex(other)}`)} 999987]`,
      "enter STATICCALL bbbb",
      "exit success 0",
      "1 27 0 [1]",
      "exit success 2613",
    ]);
  });
});
