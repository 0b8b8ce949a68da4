/** Batches as the driver of the reference traces makes them. */
import type { BatchSizer } from "../raft/batch-sizer.ts";

const sizeBytesMax = 20_000;
const windowSize = 100;

/** The mean of what would fill a message, over a window of sendings that begins with zeros. */
export class WindowBatchSizer implements BatchSizer {
  countMax = 20;
  #windowSum = 0;
  #sizeBytes = 0;
  #count = 0;

  appended(count: number, sizeBytes = 0): boolean {
    this.#sizeBytes += sizeBytes;
    this.#count += count;
    if (this.#sizeBytes < sizeBytesMax) return false;
    this.sending();
    this.#sizeBytes = 0;
    this.#count = 0;
    return true;
  }

  sending(): void {
    const mean = this.#count === 0 ? sizeBytesMax : Math.floor(this.#sizeBytes / this.#count);
    const fitting = mean === 0 ? sizeBytesMax / 2 : Math.floor(sizeBytesMax / mean);
    this.#windowSum += fitting - Math.floor(this.#windowSum / windowSize);
    this.countMax = Math.max(Math.floor(this.#windowSum / windowSize), 1);
  }
}
