/** A state in memory, which takes write sets: what a ledger would be under the machine. */
import { keccak_256 } from "@noble/hashes/sha3.js";
import type { EvmState, EvmWriteSet } from "../../types.ts";
import { encodeNumber, encodeRlp } from "./rlp.ts";
import { secureRoot } from "./trie.ts";

interface StoredAccount {
  nonce: bigint;
  balance: bigint;
  codeHash: Uint8Array;
  /** By the key in hexadecimal; no value is zero. */
  slots: Map<string, Uint8Array>;
}

export class MemoryState implements EvmState {
  readonly accounts = new Map<string, StoredAccount>();
  readonly #codes = new Map<string, Uint8Array>();

  put(
    address: Uint8Array,
    account: {
      readonly nonce?: bigint;
      readonly balance?: bigint;
      readonly code?: Uint8Array;
      readonly slots?: Iterable<readonly [key: Uint8Array, value: Uint8Array]>;
    },
  ): void {
    const code = account.code ?? new Uint8Array();
    const codeHash = keccak_256(code);
    this.#codes.set(toHex(codeHash), code);
    const slots = new Map<string, Uint8Array>();
    for (const [key, value] of account.slots ?? []) {
      if (value.some((byte) => byte !== 0)) slots.set(toHex(key), value);
    }
    const { nonce = 0n, balance = 0n } = account;
    this.accounts.set(toHex(address), { nonce, balance, codeHash, slots });
  }

  account(address: Uint8Array): StoredAccount | undefined {
    return this.accounts.get(toHex(address));
  }

  slot(address: Uint8Array, key: Uint8Array): Uint8Array | undefined {
    return this.account(address)?.slots.get(toHex(key));
  }

  code(codeHash: Uint8Array): Uint8Array {
    const code = this.#codes.get(toHex(codeHash));
    if (code === undefined) throw new Error("the code is not in the state");
    return code;
  }

  hasStorage(address: Uint8Array): boolean {
    return (this.account(address)?.slots.size ?? 0) > 0;
  }

  apply({ accounts }: EvmWriteSet): void {
    for (const { address, account, isStorageCleared, slots, code } of accounts) {
      if (account === undefined) {
        this.accounts.delete(toHex(address));
        continue;
      }
      const { nonce, balance } = account;
      const codeHash = account.codeHash!;
      const old = isStorageCleared ? undefined : this.accounts.get(toHex(address));
      const stored = { nonce, balance, codeHash, slots: old?.slots ?? new Map() };
      this.accounts.set(toHex(address), stored);
      if (code !== undefined) this.#codes.set(toHex(codeHash), code);
      for (const { key, value } of slots) {
        if (value.every((byte) => byte === 0)) stored.slots.delete(toHex(key));
        else stored.slots.set(toHex(key), value);
      }
    }
  }

  /** The root of the Merkle-Patricia trie of all accounts. */
  root(): Uint8Array {
    const entries = Array.from(this.accounts, ([address, account]) => {
      const slots = Array.from(account.slots, ([key, value]) => {
        const number = BigInt(`0x${toHex(value)}`);
        return [fromHex(key), encodeRlp(encodeNumber(number))] as const;
      });
      const { nonce, balance, codeHash } = account;
      const fields = [encodeNumber(nonce), encodeNumber(balance), secureRoot(slots), codeHash];
      return [fromHex(address), encodeRlp(fields)] as const;
    });
    return secureRoot(entries);
  }
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

/** With or without 0x. */
export function fromHex(text: string): Uint8Array {
  const digits = text.startsWith("0x") ? text.slice(2) : text;
  return new Uint8Array(Buffer.from(digits.length % 2 === 1 ? `0${digits}` : digits, "hex"));
}
