import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GovernanceHost } from "./host.testing.ts";
import { recordSubmission } from "./recent-proposals.ts";
import { governanceTables } from "./tables.ts";

const submission = fc.record({
  createdAt: fc.integer({ min: 0, max: 60 }),
  digest: fc.constantFrom("aa", "bb", "cc", "dd", "ee"),
});

describe("the window of recent proposals", () => {
  test("never takes a proposal twice, never grows beyond its size, keeps the newest", () => {
    // Method: predict the window after each submission from the one before.
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(submission, { maxLength: 40 }),
        (windowSize, submissions) => {
          const host = new GovernanceHost();
          host.write((transaction) => {
            governanceTables.serviceConfiguration.set(transaction, {
              recovery_threshold: 1,
              recent_cose_proposals_window_size: windowSize,
            });
            for (const { createdAt, digest } of submissions) {
              const key = `${String(createdAt).padStart(10, "0")}:${digest}`;
              const before = windowOf(transaction);
              const check = recordSubmission(transaction, createdAt, digest, "id");
              const after = windowOf(transaction);
              expect(after.length).toBeLessThanOrEqual(Math.max(windowSize, 1));
              if (check.kind !== "accepted") {
                expect(after).toEqual(before);
                continue;
              }
              expect(before).not.toContain(key);
              const kept = windowSize > 1 ? before.slice(1 - windowSize) : [];
              expect(after).toEqual([...kept, key].sort());
              // At least as new as half of the window was.
              const newerCount = before.filter(
                (other) => other.slice(0, 10) > key.slice(0, 10),
              ).length;
              expect(newerCount).toBeLessThanOrEqual(before.length / 2);
            }
          });
        },
      ),
    );
  });

  function windowOf(transaction: Parameters<typeof recordSubmission>[0]): string[] {
    return governanceTables.coseRecentProposals
      .of(transaction)
      .entries()
      .map(([key]) => key);
  }
});
