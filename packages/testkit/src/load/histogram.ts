import { assert } from "@coco/base";

const stepBits = 6;
const stepCount = 1 << stepBits;
const powerCount = 30;

/**
 * Counts of durations in microseconds with a relative error below 1/64, in a fixed 8 KB, so that
 * recording allocates nothing. Durations from 0 to about 18 minutes; longer ones count as that.
 */
export class LatencyHistogram {
  readonly #counts = new Uint32Array(stepCount * powerCount);
  #count = 0;
  #maxMicros = 0;

  get count(): number {
    return this.#count;
  }

  record(micros: number): void {
    const value = Math.max(0, Math.round(micros));
    this.#counts[bucketOf(value)]! += 1;
    this.#count += 1;
    if (value > this.#maxMicros) this.#maxMicros = value;
  }

  /** Milliseconds below which `fraction` (0..1) of the durations lie; 0 when there is none. */
  percentileMs(fraction: number): number {
    assert(fraction >= 0 && fraction <= 1, "a percentile is a fraction");
    const wanted = Math.ceil(fraction * this.#count);
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= wanted && seen > 0) return Math.min(bucketEnd(bucket), this.#maxMicros) / 1000;
    }
    return 0;
  }
}

/** Values below 64 have a bucket each; then 64 buckets for each power of two. */
function bucketOf(micros: number): number {
  if (micros < stepCount) return micros;
  const power = 31 - Math.clz32(Math.min(micros, 2 ** 30)) - stepBits + 1;
  const bucket = power * stepCount + ((micros >>> power) & (stepCount - 1));
  return Math.min(bucket, stepCount * powerCount - 1);
}

function bucketEnd(bucket: number): number {
  const power = Math.floor(bucket / stepCount);
  return ((bucket % stepCount) + 1) * 2 ** power - 1;
}
