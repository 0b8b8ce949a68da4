/** `ccf` for applications: the common functions, and those about the request that runs. */
import type { HistoricalState, TxStatus } from "../application.ts";
import { type CommonApi, createCommonApi, type ScriptApiPorts } from "./common-globals.ts";
import {
  expectBuffer,
  expectCount,
  expectCounts,
  expectIndex,
  hostFunctions,
} from "./host-function.ts";
import type { InvocationSlot } from "./invocation.ts";
import { createKv } from "./kv.ts";

const claimsDigestBytes = 32;
/** Seqnos that one call gives, unless it asks for more. */
const defaultSeqnoCountMax = 1000;

export interface AppApi {
  readonly globals: Readonly<Record<string, unknown>>;
  /** Whether the program asked for a log line about each execution. */
  isLoggingMetrics(): boolean;
  /** Forgets what an earlier request left. */
  reset(): void;
}

export function createAppApi(ports: ScriptApiPorts, slot: InvocationSlot): AppApi {
  const common: CommonApi = createCommonApi(ports, slot);
  const metrics = createMetricsSwitch();
  const ccf = {
    ...common.globals.ccf,
    ...metrics.functions,
    rpc: createRpc(slot),
    consensus: createConsensus(slot),
    historical: createHistorical(slot),
  };
  Object.defineProperty(ccf, "historicalState", {
    enumerable: true,
    get: () => currentHistoricalState(slot),
  });
  return {
    globals: { ...common.globals, ccf },
    isLoggingMetrics: metrics.isOn,
    reset() {
      common.reset();
      metrics.reset();
    },
  };
}

function createMetricsSwitch() {
  let isOn = false;
  return {
    functions: hostFunctions({
      enableMetricsLogging(...args: unknown[]): boolean {
        expectCount(args, 1);
        if (typeof args[0] !== "boolean") throw new TypeError("First argument must be a boolean");
        const before = isOn;
        [isOn] = args as [boolean];
        return before;
      },
    }),
    isOn: () => isOn,
    reset() {
      isOn = false;
    },
  };
}

function createRpc(slot: InvocationSlot) {
  return hostFunctions({
    setApplyWrites(...args: unknown[]): void {
      expectCount(args, 1);
      slot.current().applyWrites = Boolean(args[0]);
    },

    setClaimsDigest(...args: unknown[]): void {
      expectCount(args, 1);
      const digest = expectBuffer(args[0]);
      if (digest.length !== claimsDigestBytes) {
        throw new TypeError(
          `Argument must be an ArrayBuffer of the right size: ${claimsDigestBytes}`,
        );
      }
      slot.current().claimsDigest = digest.slice();
    },
  });
}

function createConsensus(slot: InvocationSlot) {
  return hostFunctions({
    getLastCommittedTxId(...args: unknown[]): object {
      expectCount(args, 0);
      const { view, seqno } = slot.current().context.consensus.lastCommitted();
      return { view, seqno };
    },

    getStatusForTxId(...args: unknown[]): TxStatus {
      expectCount(args, 2);
      const message = "Invalid view or seqno: cannot be negative";
      const view = expectIndex(args[0], message);
      const seqno = expectIndex(args[1], message);
      return slot.current().context.consensus.status({ view, seqno });
    },

    getViewForSeqno(...args: unknown[]): number | null {
      expectCount(args, 1);
      const seqno = expectIndex(args[0], "Invalid seqno: cannot be negative");
      return slot.current().context.consensus.viewOf(seqno) ?? null;
    },
  });
}

function createHistorical(slot: InvocationSlot) {
  return hostFunctions({
    getStateRange(...args: unknown[]): object[] | null {
      expectCount(args, 4);
      const [handle, first, last, seconds] = args.map((value) =>
        expectIndex(value, "Invalid handle or seqno or expiry: cannot be negative"),
      );
      const { historical } = slot.current().context;
      const states = historical.range(handle!, first!, last!, seconds!);
      return states === undefined || states.length === 0 ? null : states.map(toStateObject);
    },

    dropCachedStates(...args: unknown[]): boolean {
      expectCount(args, 1);
      const handle = expectIndex(args[0], "Invalid handle: cannot be negative");
      slot.current().context.historical.drop(handle);
      return true;
    },

    /** Beyond CCF: transactions that wrote a key of a table; null while the index is made. */
    getSeqnosForKey(...args: unknown[]): number[] | null {
      expectCounts(args, 4);
      const [table, key] = [args[0], expectBuffer(args[1])];
      if (typeof table !== "string") throw new TypeError("Table name is not a string");
      const [first, last, countMax] = [args[2], args[3], args[4] ?? defaultSeqnoCountMax].map(
        (value) => expectIndex(value, "Invalid seqno or count: cannot be negative"),
      );
      const { historical } = slot.current().context;
      if (historical.seqnosOf === undefined) throw new TypeError("There are no indexes here");
      const seqnos = historical.seqnosOf(table, key, first!, last!, countMax!);
      return seqnos === undefined ? null : [...seqnos];
    },
  });
}

/** What a program sees of a past state; it may change the receipt, so it gets a copy. */
function toStateObject(state: HistoricalState): object {
  return {
    transactionId: `${state.txId.view}.${state.txId.seqno}`,
    receipt: JSON.parse(JSON.stringify(state.receipt)),
    kv: createKv({ transaction: () => state.transaction, interrupt: () => undefined }),
  };
}

function currentHistoricalState(slot: InvocationSlot): object | undefined {
  if (!slot.isRunning) return undefined;
  const invocation = slot.current();
  const { historicalState } = invocation.context;
  if (historicalState === undefined) return undefined;
  invocation.historicalState ??= toStateObject(historicalState);
  return invocation.historicalState;
}
