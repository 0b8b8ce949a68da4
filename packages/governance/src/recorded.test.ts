/**
 * The exchanges of a live CCF service are replayed on its own ledger: the store is brought to the
 * state in which the service answered, the recorded request (signed by the real member keys) is
 * sent, and answer and written tables are compared.
 */
import type { Changes } from "@coco/store";
import { describe, expect, test } from "vitest";
import { defaultConstitution } from "./constitution/constitutions.ts";
import { dump } from "./host.testing.ts";
import {
  type Exchange,
  hasLedger,
  RecordedHost,
  readGovernanceExchanges,
  readLedgerTransactions,
} from "./recorded.testing.ts";

const ledgerName = "live_service";
const exchanges = readGovernanceExchanges().filter(({ set }) =>
  ["setup", "main", "extra"].includes(set),
);
const isThere = hasLedger(ledgerName);
const transactions = isThere ? readLedgerTransactions(ledgerName) : [];
/** Written by the node, and CCF's compiled modules, which another interpreter has no use for. */
const notCompared = /^public:ccf\.(internal\.|gov\.modules_quickjs_)/;

/** Answers that differ on purpose: CCF answers 500 where the client made the mistake. */
const statusOnPurpose: Readonly<Record<string, readonly [status: number, code: string]>> = {
  "ballot: syntax error in script": [400, "InvalidInput"],
  "proposal: payload is not JSON": [400, "ProposalFailedToValidate"],
  "proposal: no created_at": [400, "InvalidInput"],
  "proposal: untagged COSE": [400, "InvalidInput"],
};

/** Values below a CCF list come in no promised order. */
function sortLists(value: unknown): unknown {
  const list = (value as { value?: unknown[] } | undefined)?.value;
  if (!Array.isArray(list)) return value;
  return { value: [...list].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) };
}

function parse(text: string, contentType: string | undefined): unknown {
  return contentType === "application/json" ? sortLists(JSON.parse(text)) : text;
}

/** Places in the constitution's code are named in the engine's own way. */
function withoutTrace(value: unknown): unknown {
  const text = JSON.stringify(value);
  const trace = /(\\n(Trace:|Error:[^"\\]*)?)?(\\n)?\s+at .*?"/;
  return JSON.parse(text.replace(trace, '"').replace(/\\nError: [^"\\]*"/, '"'));
}

function compare(host: RecordedHost, exchange: Exchange): void {
  const { method, path, body, contentType } = exchange;
  const url = path.includes("?") ? path : `${path}?`;
  const answer = host.send(method, url, body, contentType);
  const onPurpose = statusOnPurpose[exchange.note];
  if (onPurpose !== undefined) {
    expect([answer.status, answer.json.error.code]).toEqual(onPurpose);
    return;
  }
  expect([answer.status, answer.headers]).toEqual([exchange.status, exchange.headers]);
  if (exchange.text === undefined) return;
  const type = exchange.headers["content-type"];
  expect(withoutTrace(parse(answer.text, type))).toEqual(withoutTrace(parse(exchange.text, type)));
}

describe.skipIf(!isThere || exchanges.length === 0)("a recorded service", () => {
  const position = new Map<Exchange, number>();
  let seqno = 2;
  for (const exchange of exchanges) {
    // Requests that were refused, or that touch no table, carry no position: they saw the state
    // that the ones around them saw.
    seqno = Math.max(seqno, exchange.seqno ?? 0);
    position.set(exchange, seqno);
  }

  // The first answer at a position wrote it; further ones read it. Long requests were not kept.
  const writes = exchanges.filter(
    (exchange) =>
      exchange.method === "POST" &&
      exchange.body.length > 0 &&
      exchanges.find(({ seqno: at }) => at === exchange.seqno) === exchange &&
      exchange.seqno !== undefined,
  );
  const reads = exchanges.filter(
    (exchange) =>
      !writes.includes(exchange) && (exchange.method === "GET" || exchange.body.length > 0),
  );

  test.each(reads.map((exchange) => [exchange.note, exchange] as const))(
    "answers: %s",
    (_, exchange) => {
      const host = new RecordedHost(transactions);
      host.advanceTo(position.get(exchange)!);
      compare(host, exchange);
    },
  );

  const cases = writes.flatMap((exchange) => [
    [`${exchange.seqno} ${exchange.note}`, "its own", exchange, undefined] as const,
    [`${exchange.seqno} ${exchange.note}`, "our default", exchange, defaultConstitution] as const,
  ]);
  test.each(cases)(
    "answers and writes: %s, with %s constitution",
    (_, __, exchange, constitution) => {
      const host = new RecordedHost(transactions, constitution);
      const { method, path, body, contentType } = exchange;
      host.advanceTo(exchange.seqno! - 1);
      const before = dump(host.store);
      const answer = host.send(method, path, body, contentType);
      expect([answer.status, answer.headers]).toEqual([exchange.status, exchange.headers]);
      expect(answer.text).toBe(exchange.text);
      const written = answer.committed?.kind === "committed" ? answer.committed.changes : [];
      expect(plain(written, before)).toEqual(plain(host.changesOf(exchange.seqno!), before));
    },
  );
});

/** Without removals of what was not there, which CCF writes down too. */
function plain(changes: Changes, before: ReturnType<typeof dump>): unknown[] {
  return changes
    .filter(({ name }) => !notCompared.test(name))
    .map(({ name, writes, removes }) => {
      const removed = [...removes].filter((key) => Object.hasOwn(before[name] ?? {}, key));
      return { name, writes: [...writes], removed };
    })
    .filter(({ writes, removed }) => writes.length + removed.length > 0);
}
