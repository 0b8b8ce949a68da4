/** The window of recent proposals: keeps signed proposals from being submitted again. */
import type { Transaction } from "@coco/store";
import { governanceTables } from "./tables.ts";

export type SubmissionCheck =
  | { readonly kind: "accepted" }
  | { readonly kind: "replayed"; readonly proposalId: string }
  | { readonly kind: "tooOld"; readonly createdAtMin: string };

export const windowSizeDefault = 100;
/** The largest `created_at` that the window's ten-digit keys can order. */
export const createdAtMax = 9_999_999_999;

function timeOf(key: string): string {
  return key.slice(0, key.indexOf(":"));
}

/**
 * Records a proposal, and forgets the oldest ones beyond the window. A proposal must be newer
 * than the median of the window: one that fell out of it cannot come back.
 * @param createdAt seconds since 1970, at most `createdAtMax`
 * @param requestDigest hex SHA-256 of the COSE signature
 */
export function recordSubmission(
  transaction: Transaction,
  createdAt: number,
  requestDigest: string,
  proposalId: string,
): SubmissionCheck {
  const table = governanceTables.coseRecentProposals.of(transaction);
  const createdAtText = String(createdAt).padStart(10, "0");
  const key = `${createdAtText}:${requestDigest}`;
  const known = table.get(key);
  if (known !== undefined) return { kind: "replayed", proposalId: known };

  // Keys of equal length sort by time; `entries` gives them in that order.
  const keys = table.entries().map(([recentKey]) => recentKey);
  const median = keys[Math.floor(keys.length / 2)];
  if (median !== undefined && createdAtText < timeOf(median)) {
    return { kind: "tooOld", createdAtMin: timeOf(median) };
  }
  table.set(key, proposalId);
  const configuration = governanceTables.serviceConfiguration.get(transaction);
  const windowSize = configuration?.recent_cose_proposals_window_size ?? windowSizeDefault;
  const surplus = keys.length + 1 - windowSize;
  for (const oldKey of keys.slice(0, Math.max(0, surplus))) table.delete(oldKey);
  return { kind: "accepted" };
}
