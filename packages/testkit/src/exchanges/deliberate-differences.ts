/** Where our answers differ from the recorded ones on purpose, and why. */

export interface DeliberateDifference {
  /** Lines of the recording. */
  readonly lines: readonly number[];
  /** Which of the differences. */
  readonly pattern: RegExp;
  readonly reason: string;
}

export const deliberateDifferences: readonly DeliberateDifference[] = [
  {
    lines: [23],
    pattern: /^body\.status: Pending was recorded, ours is Committed$/,
    reason: "signatures follow within 10 ms, so the status is Committed when it is asked for",
  },
  {
    lines: [29],
    pattern: /^(status|headers|body)/,
    reason: "the transaction after a write may be another one than in the recording",
  },
  {
    lines: [31, 32, 41],
    pattern: /proof: [0-9]+ items was recorded, ours is [0-9]+ items$/,
    reason: "a proof is as long as the tree is high: our ledger has more signatures",
  },
  {
    lines: [42],
    pattern: /^(status|headers|content-type|retry-after|body)/,
    reason: "a range that is in memory is given at once",
  },
  {
    lines: [48],
    pattern: /^body\.error\.details\[0\]\.message/,
    reason: "the words of the JSON library behind the colon are left out",
  },
  {
    lines: [74, 205, 206, 207, 218, 219],
    pattern: /^body\.(ccf|quickjs)_version/,
    reason: "other software; there is no QuickJS",
  },
  {
    lines: [86],
    pattern: /^body\.bytecode_used: true was recorded, ours is false$/,
    reason: "scripts run as source; there is no QuickJS bytecode",
  },
  {
    lines: [92],
    pattern: /^(status|headers|content-type|body)/,
    reason: "a fresh node offers no snapshot",
  },
  {
    lines: [94],
    pattern: /^body\.components\..*\.description: /,
    reason: "own words",
  },
  {
    lines: [136, 146, 148, 154, 203],
    pattern: /^(status: 500|body\.error\.(code|message))/,
    reason: "a client's mistake is a 400 with the nearest code, not a 500",
  },
  {
    lines: [199],
    pattern: /^body: JWT/,
    reason: "a token's header keeps the order of its fields",
  },
];

export interface Judged {
  /** Differences that nobody has decided on. */
  readonly unexpected: readonly string[];
  /** Decisions that no difference needs; differences of timing may come or not. */
  readonly unused: readonly DeliberateDifference[];
}

/** Sorts what was found into what is meant so and what is not. */
export function judgeDifferences(
  exchanges: readonly {
    readonly line: number;
    readonly title: string;
    readonly differences: readonly string[];
  }[],
): Judged {
  const used = new Set<DeliberateDifference>();
  const unexpected: string[] = [];
  for (const { line, title, differences } of exchanges) {
    for (const difference of differences) {
      const decided = deliberateDifferences.find(
        ({ lines, pattern }) => lines.includes(line) && pattern.test(difference),
      );
      if (decided === undefined) unexpected.push(`${title}: ${difference}`);
      else used.add(decided);
    }
  }
  return { unexpected, unused: deliberateDifferences.filter((decided) => !used.has(decided)) };
}
