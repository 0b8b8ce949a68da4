/** What each operation costs and needs, by fork. */
import { Fork, Machine } from "./machine";

/**
 * One 64-bit word for each operation: gas (bits 0-15), the items that it takes from the stack
 * (16-31) and the number of further items at which the stack may still be (32-47).
 */
export const operationTable: usize = memory.data(2048, 16);

const stackMax: u64 = 1024;

function define(operation: usize, gas: u64, taken: u64, given: u64): void {
  const grown = given > taken ? given - taken : 0;
  const span = stackMax - grown - taken;
  store<u64>(operationTable + (operation << 3), gas | (taken << 16) | (span << 32));
}

function undefine(operation: usize): void {
  // More items than any stack has.
  store<u64>(operationTable + (operation << 3), 0x7fff << 16);
}

function defineRange(from: usize, to: usize, gas: u64, taken: u64, given: u64): void {
  for (let operation = from; operation <= to; operation++) define(operation, gas, taken, given);
}

export function defineOperations(): void {
  for (let operation: usize = 0; operation < 256; operation++) undefine(operation);
  defineArithmetic();
  defineContext();
  defineMemory();
  defineCalls();
}

function defineArithmetic(): void {
  const fork = Machine.fork;
  define(0x00, 0, 0, 0);
  define(0x01, 3, 2, 1);
  define(0x02, 5, 2, 1);
  define(0x03, 3, 2, 1);
  defineRange(0x04, 0x07, 5, 2, 1);
  defineRange(0x08, 0x09, 8, 3, 1);
  define(0x0a, 10, 2, 1);
  define(0x0b, 5, 2, 1);
  defineRange(0x10, 0x14, 3, 2, 1);
  define(0x15, 3, 1, 1);
  defineRange(0x16, 0x18, 3, 2, 1);
  define(0x19, 3, 1, 1);
  define(0x1a, 3, 2, 1);
  if (fork >= Fork.constantinople) defineRange(0x1b, 0x1d, 3, 2, 1);
  if (fork >= Fork.osaka) define(0x1e, 5, 1, 1);
  define(0x20, 30, 2, 1);
}

/** What the access to an account costs before EIP-2929; since then it depends on the account. */
function accountGas(frontier: u64, later: u64): u64 {
  if (Machine.fork >= Fork.berlin) return 0;
  return Machine.fork >= Fork.tangerineWhistle ? later : frontier;
}

function defineContext(): void {
  const fork = Machine.fork;
  define(0x30, 2, 0, 1);
  const balanceGas: u64 = fork >= Fork.istanbul ? 700 : 400;
  define(0x31, accountGas(20, balanceGas), 1, 1);
  defineRange(0x32, 0x34, 2, 0, 1);
  define(0x35, 3, 1, 1);
  define(0x36, 2, 0, 1);
  define(0x37, 3, 3, 0);
  define(0x38, 2, 0, 1);
  define(0x39, 3, 3, 0);
  define(0x3a, 2, 0, 1);
  define(0x3b, accountGas(20, 700), 1, 1);
  define(0x3c, accountGas(20, 700), 4, 0);
  if (fork >= Fork.byzantium) define(0x3d, 2, 0, 1);
  if (fork >= Fork.byzantium) define(0x3e, 3, 3, 0);
  const hashGas: u64 = fork >= Fork.istanbul ? 700 : 400;
  if (fork >= Fork.constantinople) define(0x3f, accountGas(0, hashGas), 1, 1);
  define(0x40, 20, 1, 1);
  defineRange(0x41, 0x45, 2, 0, 1);
  if (fork >= Fork.istanbul) define(0x46, 2, 0, 1);
  if (fork >= Fork.istanbul) define(0x47, 5, 0, 1);
  if (fork >= Fork.london) define(0x48, 2, 0, 1);
  if (fork >= Fork.cancun) define(0x49, 3, 1, 1);
  if (fork >= Fork.cancun) define(0x4a, 2, 0, 1);
}

function defineMemory(): void {
  const fork = Machine.fork;
  define(0x50, 2, 1, 0);
  define(0x51, 3, 1, 1);
  defineRange(0x52, 0x53, 3, 2, 0);
  const loadGas: u64 = fork >= Fork.istanbul ? 800 : 200;
  define(0x54, accountGas(50, loadGas), 1, 1);
  define(0x55, 0, 2, 0);
  define(0x56, 8, 1, 0);
  define(0x57, 10, 2, 0);
  defineRange(0x58, 0x5a, 2, 0, 1);
  define(0x5b, 1, 0, 0);
  if (fork >= Fork.cancun) {
    define(0x5c, 100, 1, 1);
    define(0x5d, 100, 2, 0);
    define(0x5e, 3, 3, 0);
  }
  if (fork >= Fork.shanghai) define(0x5f, 2, 0, 1);
  defineRange(0x60, 0x7f, 3, 0, 1);
  for (let i: usize = 0; i < 16; i++) {
    define(0x80 + i, 3, u64(i) + 1, u64(i) + 2);
    define(0x90 + i, 3, u64(i) + 2, u64(i) + 2);
  }
}

function defineCalls(): void {
  const fork = Machine.fork;
  for (let i: usize = 0; i < 5; i++) define(0xa0 + i, 375 + 375 * u64(i), u64(i) + 2, 0);
  define(0xf0, 32000, 3, 1);
  define(0xf1, accountGas(40, 700), 7, 1);
  define(0xf2, accountGas(40, 700), 7, 1);
  define(0xf3, 0, 2, 0);
  if (fork >= Fork.homestead) define(0xf4, accountGas(40, 700), 6, 1);
  if (fork >= Fork.constantinople) define(0xf5, 32000, 4, 1);
  if (fork >= Fork.byzantium) define(0xfa, accountGas(700, 700), 6, 1);
  if (fork >= Fork.byzantium) define(0xfd, 0, 2, 0);
  define(0xff, accountGas(0, 5000), 1, 0);
  if (fork >= Fork.berlin) define(0xff, 5000, 1, 0);
}
