/** The virtual machine: an instance of the compiled module with its state and host. */
import { evmErrors } from "./errors.ts";
import { forks } from "./forks.ts";
import { accountLayout, statusOf, writeEnvironment } from "./layout.ts";
import type { ModuleExports } from "./module-exports.ts";
import { createImports, type HostCalls } from "./module-imports.ts";
import type {
  EvmAccount,
  EvmBlock,
  EvmLog,
  EvmMessage,
  EvmOptions,
  EvmResult,
  EvmWriteSet,
} from "./types.ts";
import { Views } from "./views.ts";
import { readWriteSet } from "./write-set.ts";

const scratchSize = 64;
const gasMax = (1n << 63n) - 1n;

/** Makes a virtual machine. One machine runs one message at a time. */
export function createEvm(options: EvmOptions): Evm {
  return new Evm(options);
}

/**
 * Executes messages on a state. Everything that it reads stays in the machine, with all changes,
 * until `reset`; `takeWriteSet` gives the changes back. A transaction is `beginTransaction`, one
 * `execute`, and `endTransaction`.
 */
export class Evm {
  readonly #options: EvmOptions;
  readonly #calls: HostCalls;
  readonly #exports: ModuleExports;
  readonly #views: Views;
  #block: EvmBlock | undefined;
  #scratch = 0;
  #input = 0;
  #inputCapacity = 0;
  #isRunning = false;

  constructor(options: EvmOptions) {
    this.#options = options;
    this.#calls = createImports(options, () => this.#exports);
    this.#exports = options.module.instantiate(this.#calls.imports) as ModuleExports;
    this.#views = new Views(this.#exports.memory);
    this.#calls.useViews(this.#views);
    this.#exports.setSeed(options.seed ?? 0x9e3779b97f4a7c15n);
    this.reset();
  }

  get fork(): NonNullable<EvmOptions["fork"]> {
    return this.#options.fork ?? "osaka";
  }

  /** Forgets everything that was read and changed. */
  reset(): void {
    const { memorySizeMax = 256 * 1024 * 1024, codeSizeMax = 24_576 } = this.#options;
    this.#exports.reset(forks.indexOf(this.fork), memorySizeMax, codeSizeMax);
    this.#block = undefined;
    this.#scratch = this.#exports.allocate(scratchSize);
    this.#inputCapacity = 0;
  }

  /** From here on nothing is warm, and logs, refunds and transient storage are empty. */
  beginTransaction(): void {
    this.#exports.beginTransaction();
  }

  /**
   * Runs a message. Its sender's nonce and fees are left alone, except that a creation raises the
   * nonce. Nothing of a message that fails remains.
   * @throws {CocoError} BadMessage, MachineFull; and whatever the state throws, after a reset
   */
  execute(message: EvmMessage): EvmResult {
    if (this.#isRunning) throw evmErrors.create("MachineBusy");
    if (message.gas < 0n || message.gas > gasMax) {
      throw evmErrors.create("BadMessage", "gas is out of range");
    }
    const exports = this.#exports;
    this.#isRunning = true;
    try {
      this.#writeMessage(message);
      const data = message.data ?? new Uint8Array();
      this.#writeInput(data, message.blobHashes ?? []);
      const isCreation = message.to === undefined ? 1 : 0;
      const isStatic = message.isStatic === true ? 1 : 0;
      const halt = exports.execute(isCreation, isStatic, this.#input, data.length, message.gas);
      return this.#readResult(message, halt);
    } catch (error) {
      // What the module was doing is unfinished, and so is the state that it holds.
      this.reset();
      if (!isTrap(error)) throw error;
      throw evmErrors.create("MachineFull", "", {}, error);
    } finally {
      this.#isRunning = false;
    }
  }

  #writeMessage(message: EvmMessage): void {
    const { views, at } = { views: this.#views, at: this.#exports.messageAt() };
    views.writeBytesAsWord(at, checkAddress(message.caller));
    views.writeBytesAsWord(at + 32, checkAddress(message.to ?? message.caller));
    views.writeWord(at + 64, message.value ?? 0n);
    const environment = this.#exports.environmentAt();
    views.writeBytesAsWord(environment, checkAddress(message.origin ?? message.caller));
    views.writeWord(environment + 32, message.gasPrice ?? 0n);
    if (message.block === this.#block) return;
    writeEnvironment(views, environment, message.block);
    this.#block = message.block;
  }

  #writeInput(data: Uint8Array, blobHashes: readonly Uint8Array[]): void {
    const size = data.length + 32 * blobHashes.length;
    if (size > this.#inputCapacity || this.#inputCapacity === 0) {
      if (this.#inputCapacity > 0) this.#exports.release(this.#input, this.#inputCapacity);
      const capacity = Math.max(1024, 2 ** Math.ceil(Math.log2(size)));
      this.#input = this.#exports.allocate(capacity);
      this.#inputCapacity = capacity;
    }
    this.#views.bytes.set(data, this.#input);
    const hashesAt = this.#input + data.length;
    for (const [index, hash] of blobHashes.entries()) {
      this.#views.bytes.set(hash, hashesAt + 32 * index);
    }
    const environment = this.#exports.environmentAt();
    this.#views.data.setUint32(environment + 320, hashesAt, true);
    this.#views.data.setUint32(environment + 324, blobHashes.length, true);
  }

  #readResult(message: EvmMessage, halt: number): EvmResult {
    const exports = this.#exports;
    const status = statusOf(halt);
    const output = this.#views.copy(exports.outputAt(), exports.outputSizeOf());
    const result = {
      status,
      gasUsed: message.gas - exports.gasLeft(),
      gasRefund: exports.refundOf(),
      output,
      logs: exports.logCount() === 0 ? [] : this.#readLogs(),
    };
    if (message.to !== undefined || status !== "success") return result;
    return { ...result, created: this.#views.readWordAsBytes(exports.createdAt(), 20) };
  }

  #readLogs(): EvmLog[] {
    const views = this.#views;
    const logs: EvmLog[] = [];
    let at = this.#exports.logsAt();
    for (let count = this.#exports.logCount(); count > 0; count--) {
      const topicCount = views.number(at);
      const size = views.number(at + 4);
      const address = views.copy(at + 8, 20);
      at += 32;
      const topics: Uint8Array[] = [];
      for (let i = 0; i < topicCount; i++, at += 32) topics.push(views.copy(at, 32));
      logs.push({ address, topics, data: views.copy(at, size) });
      at += (size + 7) & ~7;
    }
    return logs;
  }

  /** Ends a transaction: destroyed accounts, and touched ones that are empty, are removed. */
  endTransaction(): void {
    this.#exports.sweep();
  }

  /** What changed since the last call, which is what the caller has to write to the state. */
  takeWriteSet(): EvmWriteSet {
    const writeSet = readWriteSet(this.#exports, this.#views);
    this.#exports.settle();
    return writeSet;
  }

  /** A place to which `revertTo` can go back until the write set is taken. */
  checkpoint(): number {
    return this.#exports.checkpoint();
  }

  revertTo(checkpoint: number): void {
    this.#exports.revertTo(checkpoint);
  }

  #accountId(address: Uint8Array): number {
    this.#views.writeBytesAsWord(this.#scratch, checkAddress(address));
    return this.#exports.accountOf(this.#scratch);
  }

  /** The account as the machine knows it now. */
  account(address: Uint8Array): EvmAccount | undefined {
    const at = this.#exports.accountAt(this.#accountId(address));
    if (this.#views.number(at + accountLayout.exists) === 0) return undefined;
    return {
      nonce: this.#views.data.getBigUint64(at + accountLayout.nonce, true),
      balance: this.#views.readWord(at + accountLayout.balance),
      codeHash: this.#views.copy(at + accountLayout.codeHash, 32),
    };
  }

  code(address: Uint8Array): Uint8Array {
    const id = this.#accountId(address);
    const size = this.#exports.codeSizeOf(id);
    return this.#views.copy(this.#exports.codeBytesOf(id), size);
  }

  slot(address: Uint8Array, key: Uint8Array): Uint8Array {
    const slot = this.#slotId(address, key);
    return this.#views.readWordAsBytes(this.#exports.slotValue(slot), 32);
  }

  #slotId(address: Uint8Array, key: Uint8Array): number {
    const id = this.#accountId(address);
    this.#views.writeBytesAsWord(this.#scratch, key);
    return this.#exports.slotOf(id, this.#scratch);
  }

  /** Makes the account warm (EIP-2929), and a slot of it too. */
  warm(address: Uint8Array, key?: Uint8Array): void {
    if (key !== undefined) this.#exports.warmSlot(this.#slotId(address, key));
    else this.#exports.warmAccount(this.#accountId(address));
  }

  /** Adds to the balance; also touches the account, which is removed when it stays empty. */
  addBalance(address: Uint8Array, value: bigint): void {
    const id = this.#accountId(address);
    this.#views.writeWord(this.#scratch, value);
    this.#exports.addBalance(id, this.#scratch);
  }

  setBalance(address: Uint8Array, balance: bigint): void {
    const id = this.#accountId(address);
    this.#views.writeWord(this.#scratch, balance);
    this.#exports.setBalance(id, this.#scratch);
  }

  setNonce(address: Uint8Array, nonce: bigint): void {
    this.#exports.setNonce(this.#accountId(address), nonce);
  }

  setCode(address: Uint8Array, code: Uint8Array): void {
    const id = this.#accountId(address);
    this.#writeInput(code, []);
    this.#exports.putCode(id, this.#input, code.length);
  }

  setSlot(address: Uint8Array, key: Uint8Array, value: Uint8Array): void {
    const slot = this.#slotId(address, key);
    this.#views.writeBytesAsWord(this.#scratch, value);
    this.#exports.setSlot(slot, this.#scratch);
  }

  /** Adds to the refund of the transaction. */
  addRefund(amount: bigint): void {
    this.#exports.addRefund(amount);
  }
}

function checkAddress(address: Uint8Array): Uint8Array {
  if (address.length === 20) return address;
  throw evmErrors.create("BadMessage", `an address has ${address.length} bytes`);
}

/** True when the module stopped itself, which it does only for want of memory. */
function isTrap(error: unknown): boolean {
  return error instanceof Error && error.name === "RuntimeError";
}
