/** What the past of a ledger says that its last state does not: views, identities, old secrets. */
import {
  findSingleton,
  type HistoricalSecretRecord,
  ledgerTable,
  readHistoricalSecret,
  type SnapshotState,
  type TxId,
  type WriteSet,
} from "@coco/store";
import { nodeErrors } from "./errors.ts";

/** @throws {CocoError} LedgerNotOurs when the row of the service is no JSON of the right form */
export function readServiceRow(row: Uint8Array): {
  readonly cert: string;
  readonly status: string;
} {
  const fail = (cause?: unknown) =>
    nodeErrors.create("LedgerNotOurs", "a row of the service cannot be read", {}, cause);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(row).toString("utf8"));
  } catch (cause) {
    throw fail(cause);
  }
  const { cert, status } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof cert !== "string" || typeof status !== "string") throw fail();
  return { cert, status };
}

/** A certificate of the service, as a transaction recorded it. */
export interface RecordedIdentity {
  readonly txId: TxId;
  /** PEM. */
  readonly certificate: string;
}

export class LedgerHistory {
  readonly #views: TxId[] = [];
  readonly #identities: RecordedIdentity[] = [];
  readonly #secrets: HistoricalSecretRecord[] = [];

  /** First transaction of each view, in order. */
  get views(): readonly TxId[] {
    return this.#views;
  }

  /** In order; a certificate that is recorded again is there once. */
  get identities(): readonly RecordedIdentity[] {
    return this.#identities;
  }

  get secrets(): readonly HistoricalSecretRecord[] {
    return this.#secrets;
  }

  /** Takes over what a snapshot says of the time before it: nothing of former services. */
  begin({ viewFirstSeqnos, contents }: Pick<SnapshotState, "viewFirstSeqnos" | "contents">): void {
    for (const [index, seqno] of viewFirstSeqnos.entries()) {
      // A view without entries shares its first seqno with the next one.
      if (seqno !== viewFirstSeqnos[index + 1]) this.#views.push({ view: index + 1, seqno });
    }
    const service = contents.tables.find(({ name }) => name === ledgerTable.service);
    for (const [, { value, version }] of service?.entries ?? []) {
      const view = this.#views.findLast(({ seqno }) => seqno <= version)?.view ?? 0;
      this.#addIdentity(Buffer.from(value, "latin1"), { view, seqno: version });
    }
  }

  /** @throws {CocoError} BadSecretRecord */
  apply(writeSet: WriteSet, txId: TxId): void {
    if (txId.view !== this.#views.at(-1)?.view) this.#views.push(txId);
    const secret = findSingleton(writeSet, ledgerTable.historicalSecret);
    if (secret !== undefined) this.#secrets.push(readHistoricalSecret(secret, txId.seqno));
    const service = findSingleton(writeSet, ledgerTable.service);
    if (service !== undefined) this.#addIdentity(service, txId);
  }

  #addIdentity(service: Uint8Array, txId: TxId): void {
    const { cert: certificate } = readServiceRow(service);
    const isKnown = this.#identities.some((known) => known.certificate === certificate);
    if (!isKnown) this.#identities.push({ txId, certificate });
  }

  /** Forgets what came after `seqno`. */
  rollback(seqno: number): void {
    while ((this.#views.at(-1)?.seqno ?? 0) > seqno) this.#views.pop();
    while ((this.#identities.at(-1)?.txId.seqno ?? 0) > seqno) this.#identities.pop();
    while ((this.#secrets.at(-1)?.seqno ?? 0) > seqno) this.#secrets.pop();
  }

  /** First seqno of view 1, 2, ...; a view without entries shares it with the next. */
  toViewFirstSeqnos(): number[] {
    const seqnos: number[] = [];
    for (const { view, seqno } of this.#views) {
      while (seqnos.length < view) seqnos.push(seqno);
    }
    return seqnos;
  }
}
