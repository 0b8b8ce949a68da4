/**
 * Counters of one front worker in shared memory: one thread writes, any thread reads, and nothing
 * is sent when somebody looks. Each counter is one 64-bit float, so a reader sees whole values.
 */

/** Interfaces one front can count. */
export const frontInterfaceCountMax = 32;

const interfaceCounterNames = [
  "active",
  "peak",
  "requests",
  "parsingErrors",
  "bodyTooLarge",
  "headerTooLarge",
  "refusedSoft",
  "refusedHard",
] as const;

const workerCounters = [
  "inFlight",
  "busyAnswers",
  "handshakeFailures",
  "timeouts",
  "receivedBytes",
  "sentBytes",
  "batches",
] as const;

export type InterfaceCounter = (typeof interfaceCounterNames)[number];
type WorkerCounter = (typeof workerCounters)[number];

/** Octets of shared memory for the counters of one front worker. */
export const frontCountersSizeBytes =
  8 * (workerCounters.length + interfaceCounterNames.length * frontInterfaceCountMax);

/** Reads and writes the counters in `memory`. */
export class FrontCounters {
  private readonly values: Float64Array;

  constructor(memory: SharedArrayBuffer | ArrayBuffer) {
    this.values = new Float64Array(memory);
  }

  add(counter: WorkerCounter, amount: number): void {
    const at = workerIndex[counter];
    this.values[at] = (this.values[at] as number) + amount;
  }

  get(counter: WorkerCounter): number {
    return this.values[workerIndex[counter]] as number;
  }

  addInterface(interfaceIndex: number, counter: InterfaceCounter, amount: number): void {
    const at = offsetOf(interfaceIndex, counter);
    this.values[at] = (this.values[at] as number) + amount;
  }

  getInterface(interfaceIndex: number, counter: InterfaceCounter): number {
    return this.values[offsetOf(interfaceIndex, counter)] as number;
  }

  /** A session came (1) or went (-1); keeps the peak. */
  changeActive(interfaceIndex: number, change: 1 | -1): void {
    const at = offsetOf(interfaceIndex, "active");
    const active = (this.values[at] as number) + change;
    this.values[at] = active;
    const peak = offsetOf(interfaceIndex, "peak");
    if (active > (this.values[peak] as number)) this.values[peak] = active;
  }
}

const workerIndex = indexOf(workerCounters);
const interfaceIndex = indexOf(interfaceCounterNames);

function offsetOf(index: number, counter: InterfaceCounter): number {
  return workerCounters.length + index * interfaceCounterNames.length + interfaceIndex[counter];
}

function indexOf<const Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name, at) => [name, at])) as Record<Name, number>;
}
