/** How many entries go into one message. */

export interface BatchSizer {
  /** At least 1. */
  readonly countMax: number;
  /** Entries were appended by the primary. @returns whether to send without waiting */
  appended(count: number, sizeBytes: number | undefined): boolean;
  /** The time for sending has come. */
  sending(): void;
}

/** Below what a backup takes into one write to its disk; large enough to hide the header. */
const sizeBytesMax = 512 * 1024;
const countMax = 4096;
const assumedEntrySizeBytes = 512;

/** Fills messages up to a size, by the mean size of late entries. */
export class MeanBatchSizer implements BatchSizer {
  #meanSizeBytes = assumedEntrySizeBytes;

  get countMax(): number {
    return Math.max(1, Math.min(countMax, Math.floor(sizeBytesMax / this.#meanSizeBytes)));
  }

  appended(count: number, sizeBytes: number | undefined): boolean {
    if (sizeBytes !== undefined && count > 0) {
      this.#meanSizeBytes += (Math.max(sizeBytes / count, 1) - this.#meanSizeBytes) / 16;
    }
    return false;
  }

  sending(): void {}
}
