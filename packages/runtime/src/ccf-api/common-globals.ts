/** Globals that constitutions, ballots and applications have in common. */
import type { Hash } from "@coco/base";
import type { Transaction } from "@coco/store";
import type { AppCrypto } from "./app-crypto.ts";
import { type ConsoleSink, createConsole } from "./console.ts";
import { converters, createIdentifiers } from "./converters.ts";
import { createCryptoApi } from "./crypto-api.ts";
import { expectCount, hostFunctions } from "./host-function.ts";
import type { TransactionSlot } from "./invocation.ts";
import { createKv } from "./kv.ts";
import { createSnpAttestation, type VerifySnpAttestation } from "./snp-attestation.ts";

/** What a host gives for the API functions of programs. */
export interface ScriptApiPorts {
  readonly crypto: AppCrypto;
  readonly hash: Pick<Hash, "sha256">;
  /** Host time, which is not trusted. */
  readonly nowMs: () => number;
  readonly console: ConsoleSink;
  /** Absent where the host cannot verify AMD SEV-SNP evidence. */
  readonly verifySnpAttestation?: VerifySnpAttestation;
}

export interface CommonGlobals {
  readonly ccf: Readonly<Record<string, unknown>>;
  readonly console: Readonly<Record<string, unknown>>;
  readonly snp_attestation: Readonly<Record<string, unknown>>;
}

/** As `CommonGlobals`, with what the host keeps for itself. */
export interface CommonApi {
  readonly globals: CommonGlobals;
  /** Forgets what an earlier request left: groups of the console, switches. */
  reset(): void;
}

export function createCommonApi(ports: ScriptApiPorts, slot: TransactionSlot): CommonApi {
  const scriptConsole = createConsole(ports.console);
  const dateTimeSwitch = createDateTimeSwitch();
  const { api, aliases } = createCryptoApi(ports.crypto, ports.nowMs);
  const ccf = {
    kv: createKv(slot),
    ...converters,
    ...createIdentifiers(ports.crypto, ports.hash),
    ...dateTimeSwitch.functions,
    ...aliases,
    crypto: api,
  };
  return {
    globals: {
      ccf,
      console: scriptConsole.functions,
      snp_attestation: createSnpAttestation(ports.verifySnpAttestation),
    },
    reset() {
      scriptConsole.reset();
      dateTimeSwitch.reset();
    },
  };
}

interface DateTimeSwitch {
  readonly functions: Readonly<Record<string, (...args: never[]) => unknown>>;
  reset(): void;
}

/** The host's time is always given, as since CCF 7: the switch only remembers where it stands. */
function createDateTimeSwitch(): DateTimeSwitch {
  let isOn = false;
  return {
    functions: hostFunctions({
      enableUntrustedDateTime(...args: unknown[]): boolean {
        expectCount(args, 1);
        const before = isOn;
        isOn = Boolean(args[0]);
        return before;
      },
    }),
    reset() {
      isOn = false;
    },
  };
}

/**
 * Makes the globals for code of governance.
 * @returns a function that takes `current`, which gives the transaction of the running call and
 *   throws between calls
 */
export function createGovernanceGlobals(
  ports: ScriptApiPorts,
): (current: () => Transaction) => CommonGlobals & Readonly<Record<string, unknown>> {
  return (current) => {
    const slot: TransactionSlot = { transaction: current, interrupt: () => undefined };
    const { globals } = createCommonApi(ports, slot);
    return { ...globals };
  };
}
