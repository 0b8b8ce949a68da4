/** What is the same in two answers of two services: everything but identifiers, keys and times. */

export interface ComparedResponse {
  readonly status: number;
  readonly reason: string;
  /** Names and values in turn. */
  readonly rawHeaders: readonly string[];
  readonly body: string | undefined;
}

/** Headers whose values must be equal too. */
const comparedValues = new Set(["content-type", "allow", "retry-after", "www-authenticate"]);

/** What differs, one line for each; empty when nothing does. */
export function compareResponses(recorded: ComparedResponse, ours: ComparedResponse): string[] {
  const differences: string[] = [];
  if (recorded.status !== ours.status || recorded.reason !== ours.reason) {
    const expected = `${recorded.status} ${recorded.reason}`;
    differences.push(`status: ${expected} was recorded, ours is ${ours.status} ${ours.reason}`);
  }
  const [names, ourNames] = [headerNames(recorded), headerNames(ours)];
  if (names.join() !== ourNames.join()) {
    differences.push(`headers: ${names.join()} were recorded, ours are ${ourNames.join()}`);
  }
  for (const name of names) {
    const [value, ourValue] = [headerValue(recorded, name), headerValue(ours, name)];
    if (comparedValues.has(name) && ourValue !== undefined && value !== ourValue) {
      differences.push(`${name}: ${value} was recorded, ours is ${ourValue}`);
    }
  }
  if (recorded.body !== undefined && ours.body !== undefined) {
    compareValues("body", toValue(recorded.body), toValue(ours.body), differences);
  }
  return differences;
}

function headerNames({ rawHeaders }: ComparedResponse): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 0);
}

function headerValue({ rawHeaders }: ComparedResponse, name: string): string | undefined {
  const index = rawHeaders.findIndex((item, at) => at % 2 === 0 && item === name);
  return index < 0 ? undefined : rawHeaders[index + 1];
}

function toValue(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

/** Objects must have the same keys in the same order; texts must be equal when masked. */
function compareValues(path: string, recorded: unknown, ours: unknown, found: string[]): void {
  const say = (left: unknown, right: unknown) => {
    found.push(`${path}: ${shorten(left)} was recorded, ours is ${shorten(right)}`);
  };
  if (Array.isArray(recorded) && Array.isArray(ours)) {
    if (recorded.length !== ours.length) say(`${recorded.length} items`, `${ours.length} items`);
    const [items, ourItems] = [inOrder(recorded), inOrder(ours)];
    for (let index = 0; index < Math.min(items.length, ourItems.length); index++) {
      compareValues(`${path}[${index}]`, items[index], ourItems[index], found);
    }
    return;
  }
  if (isRecord(recorded) && isRecord(ours)) {
    const [keys, ourKeys] = [Object.keys(recorded).map(mask), Object.keys(ours).map(mask)];
    if (keys.join() !== ourKeys.join()) {
      say(`fields ${keys.join()}`, `fields ${ourKeys.join()}`);
      return;
    }
    const values = Object.values(ours);
    for (const [index, value] of Object.values(recorded).entries()) {
      compareValues(`${path}.${keys[index]}`, value, values[index], found);
    }
    return;
  }
  if (typeof recorded === "string" && typeof ours === "string") {
    if (mask(recorded) !== mask(ours)) say(mask(recorded), mask(ours));
    return;
  }
  if (typeof recorded !== typeof ours || (recorded === null) !== (ours === null)) {
    say(recorded, ours);
    return;
  }
  if (typeof recorded === "boolean" && recorded !== ours) say(recorded, ours);
}

/** Lists of members and users have no promised order; the ids are the same in both. */
function inOrder(items: readonly unknown[]): readonly unknown[] {
  const idOf = (item: unknown) => {
    const { memberId, userId } = isRecord(item) ? item : {};
    return String(memberId ?? userId ?? "");
  };
  return items.toSorted((left, right) => (idOf(left) < idOf(right) ? -1 : 1));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shorten(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing");
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}

const masks: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]+-----[\s\S]*?-----END [A-Z ]+-----\n?/g, "PEM"],
  [/(?<![0-9a-f])[0-9a-f]{64,}(?![0-9a-f])/g, "HEX"],
  [/(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{40,}={0,2}(?![A-Za-z0-9+/=])/g, "BASE64"],
  [/ce:[0-9.]+:HEX/g, "EVIDENCE"],
  [/(?<![0-9.])[0-9]+\.[0-9]+(?![0-9.])/g, "TXID"],
  [/(?:localhost|127\.0\.0\.1):[0-9]+/g, "ADDRESS"],
  [/snapshot_[0-9]+_[0-9]+/g, "SNAPSHOT"],
  [/[0-9]{9,}/g, "TIME"],
  [/\n?(?:Trace: )?\s+at [\s\S]*$/, "\nTRACE"],
  [/transactions from [0-9]+ to [0-9]+/g, "transactions from N to N"],
];

/** Identifiers, keys, signatures, transaction ids, addresses and times become words. */
function mask(text: string): string {
  return masks.reduce((masked, [pattern, word]) => masked.replace(pattern, word), text);
}
