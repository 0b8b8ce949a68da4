/** The host functions that only constitutions have, beside the ones of every application. */
import { bytesToUtf8, isCocoError, type Verifier } from "@coco/base";
import { removeJwtPublicSigningKeys, setJwtPublicSigningKeys } from "@coco/runtime";
import type { Transaction } from "@coco/store";
import { governanceErrors } from "./errors.ts";
import type { NodeServices } from "./node-services.ts";
import { governanceTables } from "./tables.ts";

type HostFunctions = Readonly<Record<string, unknown>>;
type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;

/**
 * Wraps functions so that scripts see ordinary errors with the message only. A conflict is kept
 * in the slot: whatever the script does with it, the transaction has to run again.
 */
function shieldErrors(slot: CallSlot, functions: Functions): HostFunctions {
  const shield =
    (action: (...args: never[]) => unknown) =>
    (...args: unknown[]): unknown => {
      try {
        return Reflect.apply(action, undefined, args);
      } catch (error) {
        if (isCocoError(error) && error.code === "TransactionConflict") slot.conflict = error;
        throw new Error(error instanceof Error ? error.message : "the host failed");
      }
    };
  return Object.fromEntries(
    Object.entries(functions).map(([name, action]) => [name, shield(action)]),
  );
}

/** The data of a script's value, read once. */
function toPlainJson(value: unknown): unknown {
  const text: string | undefined = JSON.stringify(value);
  return text === undefined ? undefined : JSON.parse(text);
}

/**
 * The globals that constitutions and applications have in common: `ccf` with kv, converters and
 * crypto, `console`. The runtime makes them.
 * @param current the transaction of the running call; throws between calls
 */
export type CreateCommonGlobals = (
  current: () => Transaction,
) => HostFunctions & { readonly ccf: HostFunctions };

export interface HostApiPorts {
  readonly createCommonGlobals: CreateCommonGlobals;
  readonly services: NodeServices;
  /** Refuses keys that no signature can be checked with. */
  readonly verifier: Verifier;
  /** @throws {CocoError} BadConstitution */
  readonly validateConstitution: (text: string) => void;
}

function requireText(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw governanceErrors.create("BadArgument", `${name} has to be a string`);
}

function requireDays(value: unknown): number {
  const isValid = typeof value === "number" && Number.isInteger(value) && value > 0;
  if (isValid) return value;
  throw governanceErrors.create("BadArgument", "the validity period has to be whole days above 0");
}

/** Reads PEM text out of an ArrayBuffer or typed array of the script. */
function bufferToText(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  if (value instanceof ArrayBuffer) return bytesToUtf8(new Uint8Array(value));
  if (value instanceof Uint8Array) return bytesToUtf8(value);
  throw governanceErrors.create("BadArgument", `${name} has to be an ArrayBuffer`);
}

/** Host functions with effects outside the tables. `effects` refuses outside `apply`. */
function createNodeFunctions(services: NodeServices, effects: () => Transaction): Functions {
  return {
    triggerLedgerRekey: () => services.triggerLedgerRekey(effects()),
    transitionServiceToOpen: (previous: unknown, next: unknown) =>
      services.transitionServiceToOpen(
        effects(),
        previous === undefined ? undefined : bufferToText(previous, "the previous identity"),
        bufferToText(next, "the next identity"),
      ),
    triggerRecoverySharesRefresh: () => services.triggerRecoverySharesRefresh(effects()),
    triggerLedgerChunk: () => services.triggerLedgerChunk(effects()),
    triggerSnapshot: () => services.triggerSnapshot(effects()),
  };
}

function createNetworkFunctions(services: NodeServices, effects: () => Transaction): Functions {
  return {
    getLatestLedgerSecretSeqno: () => services.latestLedgerSecretSeqno(effects()),
    generateEndorsedCertificate: (request: unknown, validFrom: unknown, days: unknown) => {
      effects();
      return services.generateEndorsedCertificate(
        requireText(request, "the certificate signing request"),
        requireText(validFrom, "valid_from"),
        requireDays(days),
      );
    },
    generateNetworkCertificate: (validFrom: unknown, days: unknown) => {
      effects();
      return services.generateNetworkCertificate(
        requireText(validFrom, "valid_from"),
        requireDays(days),
      );
    },
  };
}

/**
 * Bytecode is a cache of CCF's interpreter. Coco compiles source, so the cache is emptied: nodes
 * that read the tables then compile the modules too.
 */
function refreshBytecode(transaction: Transaction): void {
  governanceTables.modulesBytecode.of(transaction).clear();
  governanceTables.modulesBytecodeVersion.delete(transaction);
}

/** Where a running call finds its transactions. */
export interface CallSlot {
  /** The restricted view that `ccf.kv` uses. */
  restricted: Transaction | undefined;
  /** The endpoint's own transaction, only set during `apply`. */
  effects: Transaction | undefined;
  /** The running call read something that has changed since. */
  conflict: Error | undefined;
}

/** The globals of a constitution program. */
export function createConstitutionGlobals(ports: HostApiPorts, slot: CallSlot): HostFunctions {
  const current = (): Transaction => {
    if (slot.restricted !== undefined) return slot.restricted;
    throw governanceErrors.create("NoTransaction");
  };
  const effects = (): Transaction => {
    if (slot.effects !== undefined) return slot.effects;
    throw governanceErrors.create("EffectDenied");
  };
  const common = ports.createCommonGlobals(current);
  const { services, verifier } = ports;
  const gov: Functions = {
    validateConstitution: (text: unknown) =>
      ports.validateConstitution(requireText(text, "the constitution")),
  };
  const direct: Functions = {
    setJwtPublicSigningKeys: (issuer: unknown, _metadata: unknown, jwks: unknown) => {
      const name = requireText(issuer, "the issuer");
      setJwtPublicSigningKeys(effects(), name, toPlainJson(jwks), verifier);
    },
    removeJwtPublicSigningKeys: (issuer: unknown) => {
      removeJwtPublicSigningKeys(effects(), requireText(issuer, "the issuer"));
    },
    refreshAppBytecodeCache: () => refreshBytecode(effects()),
  };
  const ccf = {
    ...common.ccf,
    gov: shieldErrors(slot, gov),
    node: shieldErrors(slot, createNodeFunctions(services, effects)),
    network: shieldErrors(slot, createNetworkFunctions(services, effects)),
    ...shieldErrors(slot, direct),
  };
  return { ...common, ccf };
}

/** The globals of a ballot: the common ones, read-only. */
export function createBallotGlobals(ports: HostApiPorts, slot: CallSlot): HostFunctions {
  return ports.createCommonGlobals(() => {
    if (slot.restricted !== undefined) return slot.restricted;
    throw governanceErrors.create("NoTransaction");
  });
}
