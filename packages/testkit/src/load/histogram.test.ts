import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LatencyHistogram } from "./histogram.ts";

describe("LatencyHistogram", () => {
  // Goal: a percentile is never more than 1/32 away from the exact one.
  it("gives percentiles close to the exact ones", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 2 ** 29 }), { minLength: 1, maxLength: 300 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, fraction) => {
          const histogram = new LatencyHistogram();
          for (const value of values) histogram.record(value);
          const sorted = [...values].sort((left, right) => left - right);
          const exact = sorted[Math.max(0, Math.ceil(fraction * values.length) - 1)]!;
          const found = histogram.percentileMs(fraction) * 1000;
          expect(found).toBeGreaterThanOrEqual(exact - 0.001);
          expect(found).toBeLessThanOrEqual(exact * (1 + 1 / 32) + 1);
        },
      ),
    );
  });

  // Goal: nothing recorded is no error.
  it("says 0 when it is empty", () => {
    expect(new LatencyHistogram().percentileMs(0.5)).toBe(0);
  });
});
