/** Ties the recovery of a service to the ledger of its executor: the opening, and what follows. */
import { assert } from "@coco/base";
import { governanceTables } from "@coco/governance";
import type { ApplicationsOptions } from "./applications.ts";
import { toHeldSecrets } from "./node-secrets.ts";
import type { CoreNodeServices } from "./node-services.ts";
import { ServiceRecovery } from "./service-recovery.ts";

export interface RecoveryOpening {
  readonly recovery: ServiceRecovery;
  /** Until the files of the recovery have their final names. */
  readonly isRecovering: boolean;
  onCommitted(seqno: number): void;
}

export function createRecoveryOpening(
  options: ApplicationsOptions,
  services: () => CoreNodeServices,
): RecoveryOpening {
  const { data, state, disk, log, report } = options;
  const { ledgerDirectory, ledgerReadOnlyDirectories } = data.settings;
  const status = readServiceStatus(options);
  const isClosed = status === "Recovering" || status === "WaitingForRecoveryShares";
  let isRecovering = isClosed || disk.isRecovering;
  // An executor that takes over from one that had opened the service only has files to rename.
  let openSeqno = isRecovering && !isClosed ? 0 : undefined;
  const recovery = new ServiceRecovery({
    state,
    isRecovering: isClosed,
    directories: [ledgerDirectory, ...ledgerReadOnlyDirectories],
    log,
    onSecretsChanged: () => {
      report({ kind: "secrets", ledgerSecrets: toHeldSecrets(state.secrets) });
    },
    open: () => {
      openSeqno = openService(options, services());
    },
  });
  if (status === "WaitingForRecoveryShares") recovery.resume();
  return {
    recovery,
    get isRecovering() {
      return isRecovering;
    },
    onCommitted: (seqno) => {
      recovery.onCommitted(seqno);
      if (openSeqno === undefined || seqno < openSeqno) return;
      openSeqno = undefined;
      disk.finishRecovery(() => {
        isRecovering = false;
        options.onProgress();
      });
    },
  };
}

function readServiceStatus({ state }: ApplicationsOptions): string | undefined {
  const transaction = state.store.begin("node");
  const status = governanceTables.serviceInfo.get(transaction)?.status;
  transaction.discard();
  return status;
}

/** @returns the seqno of the transaction */
function openService(options: ApplicationsOptions, services: CoreNodeServices): number {
  const { state, pipeline } = options;
  const transaction = state.store.begin("node");
  services.openRecoveredService(transaction);
  const result = state.store.commit(transaction);
  assert(result.kind === "committed", "nothing runs beside the opening");
  const { seqno, changes } = result;
  pipeline.push({ view: state.engine.view, seqno, changes, claimsDigest: undefined });
  pipeline.flush();
  return seqno;
}
