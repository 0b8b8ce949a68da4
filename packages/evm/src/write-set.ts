/** Reads what changed out of the module. */
import { equalBytes } from "@coco/base";
import { accountLayout, slotLayout } from "./layout.ts";
import type { ModuleExports } from "./module-exports.ts";
import type { EvmAccount, EvmAccountChange, EvmWriteSet } from "./types.ts";
import type { Views } from "./views.ts";

type Slot = EvmAccountChange["slots"][number];

export function readWriteSet(exports: ModuleExports, views: Views): EvmWriteSet {
  const slots = readSlots(exports, views);
  const ids = new Set<number>();
  const list = exports.changedAccounts();
  for (let i = 0; i < exports.changedAccountCount(); i++) ids.add(views.number(list + 4 * i));
  for (const id of slots.keys()) ids.add(id);
  const accounts: EvmAccountChange[] = [];
  for (const id of ids) {
    const change = readAccount(exports, views, id, slots.get(id) ?? []);
    if (change !== undefined) accounts.push(change);
  }
  return { accounts };
}

function readSlots(exports: ModuleExports, views: Views): Map<number, Slot[]> {
  const slots = new Map<number, Slot[]>();
  const list = exports.changedSlots();
  for (let i = 0; i < exports.changedSlotCount(); i++) {
    const id = views.number(list + 4 * i);
    const at = exports.slotAt(id);
    const account = views.number(at + slotLayout.account);
    const record = exports.accountAt(account);
    const isCleared = isStorageCleared(views, record);
    const value = views.readWordAsBytes(exports.slotValue(id), 32);
    const old = views.readWordAsBytes(at + slotLayout.old, 32);
    const isSame = isCleared ? value.every((byte) => byte === 0) : equalBytes(value, old);
    if (isSame) continue;
    const known = slots.get(account);
    const slot = { key: views.readWordAsBytes(at, 32), value };
    if (known === undefined) slots.set(account, [slot]);
    else known.push(slot);
  }
  return slots;
}

function isStorageCleared(views: Views, at: number): boolean {
  const { generation, oldGeneration, oldExists } = accountLayout;
  if (views.number(at + oldExists) === 0) return false;
  return views.number(at + generation) !== views.number(at + oldGeneration);
}

function readAccount(
  exports: ModuleExports,
  views: Views,
  id: number,
  slots: readonly Slot[],
): EvmAccountChange | undefined {
  const at = exports.accountAt(id);
  const address = views.readWordAsBytes(at, 20);
  const codeHash = views.copy(at + accountLayout.codeHash, 32);
  const isOther = !equalBytes(codeHash, views.copy(at + accountLayout.oldCodeHash, 32));
  const exists = views.number(at + accountLayout.exists) !== 0;
  const account: EvmAccount | undefined = exists
    ? {
        nonce: views.data.getBigUint64(at + accountLayout.nonce, true),
        balance: views.readWord(at + accountLayout.balance),
        codeHash,
      }
    : undefined;
  const isCleared = isStorageCleared(views, at);
  if (slots.length === 0 && !isCleared && !isOther && !hasChanged(views, at, account)) {
    return undefined;
  }
  const change = { address, account, isStorageCleared: isCleared, slots };
  if (!isOther || account === undefined) return change;
  const size = exports.codeSizeOf(id);
  return { ...change, code: views.copy(exports.codeBytesOf(id), size) };
}

function hasChanged(views: Views, at: number, account: EvmAccount | undefined): boolean {
  const oldExists = views.number(at + accountLayout.oldExists) !== 0;
  if (account === undefined) return oldExists;
  if (!oldExists) return true;
  const oldNonce = views.data.getBigUint64(at + accountLayout.oldNonce, true);
  if (account.nonce !== oldNonce) return true;
  return account.balance !== views.readWord(at + accountLayout.oldBalance);
}
