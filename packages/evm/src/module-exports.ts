/** The functions of the compiled module. Pointers and sizes are 32-bit numbers, gas is 64-bit. */
export interface ModuleExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  reset(fork: number, memoryLimit: number, codeSizeMax: number): void;
  setSeed(seed: bigint): void;
  beginTransaction(): void;
  execute(
    isCreation: number,
    isStatic: number,
    input: number,
    size: number,
    gas: bigint,
  ): number;
  gasLeft(): bigint;
  refundOf(): bigint;
  addRefund(amount: bigint): void;
  outputAt(): number;
  outputSizeOf(): number;
  createdAt(): number;
  logsAt(): number;
  logCount(): number;
  messageAt(): number;
  environmentAt(): number;
  allocate(size: number): number;
  release(pointer: number, size: number): void;
  accountOf(address: number): number;
  accountAt(id: number): number;
  warmAccount(id: number): number;
  addBalance(id: number, value: number): void;
  setBalance(id: number, value: number): void;
  setNonce(id: number, nonce: bigint): void;
  putCode(id: number, bytes: number, size: number): void;
  codeBytesOf(id: number): number;
  codeSizeOf(id: number): number;
  slotOf(account: number, key: number): number;
  slotAt(id: number): number;
  valueOf(slot: number): number;
  setSlot(slot: number, value: number): void;
  warmSlot(slot: number): number;
  checkpoint(): number;
  revertTo(place: number): void;
  sweep(): void;
  changedAccounts(): number;
  changedAccountCount(): number;
  changedSlots(): number;
  changedSlotCount(): number;
  settle(): void;
  frameOf(depth: number): number;
  memoryAt(): number;
  memorySizeOf(): number;
  stackBaseOf(): number;
}
