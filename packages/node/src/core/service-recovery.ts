/**
 * The second half of a disaster recovery: takes the members' shares, recovers the secrets of the
 * old ledger, reads its private part again in slices, and has the service opened.
 */
import { assert, bytesToHex, equalBytes, errorToLine, isCocoError, type Log } from "@coco/base";
import { internalTables, recoveryThreshold } from "@coco/governance";
import {
  ChunkReader,
  createMerkleTree,
  createStore,
  decodeLedgerEntry,
  decodeShare,
  decryptEntry,
  entryToLeaf,
  type LedgerSecret,
  LedgerSecrets,
  ledgerTable,
  openFromTable,
  readRecoveryShares,
  recoverLatestSecret,
  recoverSecretChain,
  type Store,
  singletonKey,
  type Transaction,
  writeSetToChanges,
} from "@coco/store";
import { nodeErrors } from "./errors.ts";
import { LedgerFileSet, listLedgerFiles, orderChunks } from "./ledger-files.ts";
import type { ServiceState } from "./service-state.ts";

export interface ServiceRecoveryOptions {
  readonly state: ServiceState;
  /** Whether the service is not open since its recovery began. */
  readonly isRecovering: boolean;
  /** The node's own directory first, then read-only ones. */
  readonly directories: readonly string[];
  readonly log: Log;
  /** The secrets of the old ledger were added to those of the service. */
  readonly onSecretsChanged: () => void;
  /** Everything is read: commits the transaction that opens the service. */
  readonly open: () => void;
}

type Phase = "waiting" | "reading" | "done";

const nodeStates = {
  waiting: "PartOfPublicNetwork",
  reading: "ReadingPrivateLedger",
  done: "PartOfNetwork",
} as const satisfies Readonly<Record<Phase, string>>;

/** The executor serves requests between two slices. */
const sliceMs = 20;

export class ServiceRecovery {
  readonly #options: ServiceRecoveryOptions;
  #phase: Phase;
  #lastRecoveredSeqno = 0;
  /** Recovered with a transaction that is not committed yet. */
  #awaited: { readonly seqno: number; readonly chain: readonly LedgerSecret[] } | undefined;

  constructor(options: ServiceRecoveryOptions) {
    this.#options = options;
    this.#phase = options.isRecovering ? "waiting" : "done";
  }

  /** As GET /node/state says it. */
  get nodeState(): (typeof nodeStates)[Phase] {
    return nodeStates[this.#phase];
  }

  get isDone(): boolean {
    return this.#phase === "done";
  }

  get isReading(): boolean {
    return this.#phase === "reading";
  }

  /** Undefined unless the private ledger is being read. */
  get progress():
    | { readonly targetSeqno: number; readonly lastRecoveredSeqno: number }
    | undefined {
    if (!this.isReading) return undefined;
    return { targetSeqno: this.#targetSeqno, lastRecoveredSeqno: this.#lastRecoveredSeqno };
  }

  get #targetSeqno(): number {
    return this.#options.state.createSeqno - 1;
  }

  /**
   * Combines the submitted shares; reading begins when `transaction` is committed.
   * @throws {CocoError} NotRecovering, BadShare, NotEnoughShares, BadSecretRecord, DecryptionFailed
   */
  initiate(transaction: Transaction): void {
    if (this.#phase !== "waiting") throw nodeErrors.create("NotRecovering");
    const chain = this.#recoverChain(transaction);
    transaction.afterCommit((seqno) => {
      this.#awaited = { seqno, chain };
    });
  }

  /** After the death of an executor: enough shares may have been submitted to it. */
  resume(): void {
    if (this.#phase !== "waiting") return;
    const { store } = this.#options.state;
    const transaction = store.begin("node");
    try {
      this.initiate(transaction);
      store.commit(transaction);
    } catch (error) {
      if (!isCocoError(error)) throw error;
      transaction.discard();
    }
  }

  onCommitted(seqno: number): void {
    if (this.#phase !== "waiting" || this.#awaited === undefined) return;
    if (seqno < this.#awaited.seqno) return;
    const { chain } = this.#awaited;
    this.#awaited = undefined;
    this.#begin(chain);
  }

  #recoverChain(transaction: Transaction): readonly LedgerSecret[] {
    const { crypto, secrets, history } = this.#options.state;
    const own = secrets.latest();
    assert(own !== undefined, "a recovering service has a secret of its own");
    const record = transaction.table(ledgerTable.recoveryShares).get(singletonKey);
    if (record === undefined) throw nodeErrors.create("NotRecovering", "the ledger has no shares");
    const submitted = internalTables.encryptedSubmittedShares.of(transaction).entries();
    const shares = [...submitted].map(([, sealed]) =>
      decodeShare(openFromTable(crypto, own.key, sealed)),
    );
    const threshold = recoveryThreshold(transaction);
    const { key } = recoverLatestSecret(crypto, readRecoveryShares(record), shares, threshold);
    return recoverSecretChain(crypto, key, history.secrets);
  }

  #begin(chain: readonly LedgerSecret[]): void {
    const { log, state } = this.#options;
    this.#phase = "reading";
    this.#lastRecoveredSeqno = 0;
    log("info", "reading the private ledger", { targetSeqno: this.#targetSeqno });
    const secrets = new LedgerSecrets(state.crypto, chain);
    const store = createStore();
    const files = new LedgerFileSet();
    const startMs = performance.now();
    const steps = this.#read(secrets, store, files);
    const runSlice = () => {
      try {
        const endMs = performance.now() + sliceMs;
        while (performance.now() < endMs) {
          if (steps.next().done !== true) continue;
          files.close();
          this.#finish(chain, store, performance.now() - startMs);
          return;
        }
        setImmediate(runSlice);
      } catch (error) {
        files.close();
        this.#fail(error);
      }
    };
    setImmediate(runSlice);
  }

  /** One step for each transaction. The files are the host's: they must give the root of before. */
  *#read(secrets: LedgerSecrets, store: Store, files: LedgerFileSet): Generator<void> {
    const { directories, state } = this.#options;
    const { crypto, formerRoot } = state;
    const tree = createMerkleTree();
    for (const { file } of orderChunks(listLedgerFiles(directories, "leave"))) {
      for (const { bytes, seqno } of new ChunkReader(files.file(file)).entries()) {
        if (seqno > this.#targetSeqno) break;
        const entry = decodeLedgerEntry(bytes);
        store.apply(writeSetToChanges(decryptEntry(crypto, entry, secrets)));
        store.compact(store.seqno);
        tree.append(entryToLeaf(crypto, entry));
        this.#lastRecoveredSeqno = seqno;
        yield;
      }
      tree.flush(tree.leafCount - 1);
    }
    const root = tree.root();
    if (equalBytes(root, formerRoot)) return;
    const detail = `its root is ${bytesToHex(root)}, it was ${bytesToHex(formerRoot)}`;
    throw nodeErrors.create("LedgerNotOurs", `when it was read again: ${detail}`);
  }

  #finish(chain: readonly LedgerSecret[], store: Store, readMs: number): void {
    const { state, log, onSecretsChanged, open } = this.#options;
    if (!state.isPrivateRead) state.store.adopt(store.contents().tables);
    for (const secret of chain) state.secrets.add(secret);
    onSecretsChanged();
    open();
    this.#phase = "done";
    log("info", "the service is open again", {
      transactions: this.#targetSeqno,
      readMs: Math.round(readMs),
    });
  }

  /** The service stays closed. A member who submits a share again starts another attempt. */
  #fail(error: unknown): void {
    this.#phase = "waiting";
    const facts = { code: "PrivateRecoveryFailed", lastRecoveredSeqno: this.#lastRecoveredSeqno };
    this.#options.log(
      "error",
      `the private ledger was not recovered: ${errorToLine(error)}`,
      facts,
    );
  }
}
