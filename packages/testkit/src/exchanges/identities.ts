/** What stands in the recording for keys, identifiers and transactions of the recorded run. */

/** Replaces what belongs to the recorded service by what belongs to ours. */
export class IdentityMap {
  readonly #ours = new Map<string, string>();
  readonly #shared = new Set<string>();

  /** Members and users are the same in both runs: their names stand for nothing else. */
  keep(shared: string): void {
    this.#shared.add(shared);
  }

  learn(recorded: string, ours: string): void {
    if (recorded !== ours && !this.#shared.has(recorded)) this.#ours.set(recorded, ours);
  }

  get(recorded: string): string | undefined {
    return this.#ours.get(recorded);
  }

  /** Every known text in `text`, longest first. */
  apply(text: string): string {
    let result = text;
    const known = [...this.#ours].sort(([left], [right]) => right.length - left.length);
    for (const [recorded, ours] of known) {
      if (!/^[0-9]+\.[0-9]+$/.test(recorded)) result = result.replaceAll(recorded, ours);
    }
    return result;
  }

  /** Transaction ids are short: they are replaced only where they stand alone. */
  applyTransactionIds(text: string): string {
    return text.replace(/(?<![0-9.])[0-9]+\.[0-9]+(?![0-9.])/g, (id) => this.#ours.get(id) ?? id);
  }
}

/**
 * Pairs the values at the same places of two JSON values: 64 hexadecimal digits, PEM. What differs
 * belongs to the two services.
 */
export function learnIdentities(map: IdentityMap, recorded: unknown, ours: unknown): void {
  if (typeof recorded === "string" && typeof ours === "string") {
    const isIdentity = /^[0-9a-f]{64}$/.test(recorded) && /^[0-9a-f]{64}$/.test(ours);
    const isPem = recorded.startsWith("-----BEGIN") && ours.startsWith("-----BEGIN");
    if (isIdentity || isPem) map.learn(recorded, ours);
    return;
  }
  if (typeof recorded !== "object" || typeof ours !== "object" || !recorded || !ours) return;
  for (const [key, value] of Object.entries(recorded)) {
    learnIdentities(map, value, (ours as Record<string, unknown>)[key]);
  }
}
