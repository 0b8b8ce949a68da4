/** The rules by which Ethereum's networks have run, the oldest first. */
export const forks = [
  "frontier",
  "homestead",
  "tangerineWhistle",
  "spuriousDragon",
  "byzantium",
  "constantinople",
  "petersburg",
  "istanbul",
  "berlin",
  "london",
  "paris",
  "shanghai",
  "cancun",
  "prague",
  "osaka",
] as const;

export type Fork = (typeof forks)[number];

/** True when the rules that came with `other` hold. */
export function isForkFrom(fork: Fork, other: Fork): boolean {
  return forks.indexOf(fork) >= forks.indexOf(other);
}
