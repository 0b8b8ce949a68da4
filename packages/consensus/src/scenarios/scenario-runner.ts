/**
 * Executes the scenario files of CCF's consensus tests: a command with arguments between commas
 * on each line, comments from `#` on, and an end at a line that begins with `====`.
 */
import { assert, bytesToBase64, utf8ToBytes } from "@coco/base";
import type { NodeId } from "../engine.ts";
import { type RaftRules, raftRules } from "../raft/raft-rules.ts";
import { checkCommitSafety, findDifferences, nodeDetail } from "./scenario-checks.ts";
import { ScenarioNetwork } from "./scenario-network.ts";
import { ScenarioTrace, type TraceLine } from "./scenario-trace.ts";
import { createSeededRandom } from "./seeded-random.ts";

export interface ScenarioOptions {
  /** For tests that break a rule. */
  readonly rules?: RaftRules;
  /** For the commands that shuffle. Default 1. */
  readonly seed?: number;
}

export interface ScenarioResult {
  readonly trace: readonly TraceLine[];
  /** What the commands that show something have shown. */
  readonly output: readonly string[];
  readonly network: ScenarioNetwork;
}

/**
 * Runs all commands; each that changes something is followed by the check that what any node has
 * committed is on a majority. In the end all nodes have to agree.
 * @throws {AssertionError} naming the line that does not hold
 */
export function runScenario(text: string, options: ScenarioOptions = {}): ScenarioResult {
  const runner = new ScenarioRunner(options);
  for (const [index, line] of text.split("\n").entries()) {
    const command = line.replace(/#.*/, "").trimEnd();
    if (command.startsWith("====")) break;
    if (command !== "") runner.run(command, index + 1);
  }
  runner.finish();
  return { trace: runner.trace.toLines(), output: runner.output, network: runner.network };
}

/** Iterations after which nodes that are connected have to agree. */
const syncRoundMax = 20;

type Command = (...items: string[]) => void;

class ScenarioRunner {
  readonly trace = new ScenarioTrace();
  readonly output: string[] = [];
  readonly network: ScenarioNetwork;
  readonly #random: (limit: number) => number;

  constructor({ rules = raftRules, seed = 1 }: ScenarioOptions) {
    this.network = new ScenarioNetwork(rules, (event) => this.trace.add(event));
    this.#random = createSeededRandom(seed);
  }

  run(line: string, lineNumber: number): void {
    this.trace.command = line;
    const [name = "", ...items] = line.split(",");
    const change = this.#changes[name];
    const check = this.#checks[name];
    try {
      assert(change !== undefined || check !== undefined, "the command is known");
      (change ?? check)?.(...items);
      if (change !== undefined) {
        for (const id of this.network.ids) checkCommitSafety(this.network, id);
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : `${error}`;
      throw new Error(`line ${lineNumber}, ${line}: ${reason}`, { cause: error });
    }
  }

  finish(): void {
    this.#loopUntilSync();
  }

  /** Commands after which safety is checked. */
  readonly #changes: Readonly<Record<string, Command>> = {
    pre_vote_enabled: (value) => {
      assert(value === "true" || value === "false", "pre_vote_enabled is true or false");
      this.network.isPreVoteEnabled = value === "true";
    },
    start_node: (id = "") => {
      this.network.addNode(id, true);
      this.#propose("2", "", { kind: "configuration", nodes: [id] });
    },
    nodes: () => {
      assert(false, "networks begin with start_node");
    },
    create_new_node: (id = "") => this.network.addNode(id, false),
    trust_node: (view = "", id = "") => this.#trust(view, [id]),
    trust_nodes: (view = "", ...ids) => this.#trust(view, ids),
    swap_node: (view = "", out = "", into = "") => this.#swap(view, [out], [into]),
    swap_nodes: (view = "", ...items) => {
      const into = listAfter(items, "in", "out");
      const out = listAfter(items, "out", "in");
      assert(into.length + out.length > 0, "swap_nodes names nodes after in or out");
      this.#swap(view, out, into);
    },
    cleanup_nodes: (view = "", ...nodes) => this.#propose(view, "", { kind: "retired", nodes }),
    replicate_new_configuration: (view = "", ...nodes) => {
      for (const id of nodes) if (!this.network.ids.includes(id)) this.network.addNode(id, false);
      this.#propose(view, "", { kind: "configuration", nodes });
    },
    replicate: (view = "", text = "") => this.#propose(view, text),
    emit_signature: (view = "") => this.#propose(view, "signature", { kind: "signature" }),
    connect: (left = "", right = "") => this.network.connect(left, right),
    reconnect: (left = "", right = "") => this.network.connect(left, right),
    reconnect_node: (id = "") => this.#reconnect(id),
    disconnect: (left = "", right = "") => this.network.disconnect(left, right),
    disconnect_node: (id = "") => {
      for (const other of this.network.ids) this.network.disconnect(id, other);
    },
    periodic_one: (id = "", ms = "") => this.network.advance(id, Number(ms)),
    periodic_all: (ms = "") => {
      for (const id of this.network.ids) this.network.advance(id, Number(ms));
    },
    shuffle_one: (id = "") => this.network.shuffle(id, this.#random),
    shuffle_all: () => {
      for (const id of this.network.ids) this.network.shuffle(id, this.#random);
    },
    dispatch_one: (id = "") => this.network.dispatch(id),
    dispatch_all: () => this.network.dispatchAll(),
    dispatch_all_once: () => this.network.dispatchAllOnce(),
    dispatch_single: (from = "", to = "") => this.network.dispatchSingle(from, to),
    drop_pending: (from = "") => {
      for (const to of this.network.ids) this.network.drop(from, to);
    },
    drop_pending_to: (from = "", to = "") => this.network.drop(from, to),
    nominate_successor: (id = "") => this.network.nominateSuccessor(id),
    loop_until_sync: () => this.#loopUntilSync(),
  };

  readonly #checks: Readonly<Record<string, Command>> = {
    state_one: (id = "") => this.#showState(id),
    state_all: () => {
      for (const id of this.network.ids) this.#showState(id);
    },
    summarise_log: (id = "") => this.#showLog(id),
    summarise_logs_all: () => {
      for (const id of this.network.ids) this.#showLog(id);
    },
    summarise_messages: (from = "", to = "") => {
      const count = this.network.node(from).outbox.filter((outgoing) => outgoing.to === to).length;
      this.output.push(`${from}>${to}: ${count} messages`);
    },
    assert_state_sync: () => {
      const differences = findDifferences(this.network, this.network.ids);
      assert(differences.length === 0, differences.join("; "));
    },
    assert_commit_safety: (id = "") => checkCommitSafety(this.network, id),
    assert_commit_idx: (id = "", seqno = "") => {
      const { committedSeqno } = this.network.node(id).engine.state.log;
      assert(committedSeqno === Number(seqno), `${committedSeqno} is committed`);
    },
    assert_detail: (id = "", name = "", expected = "") => {
      const value = nodeDetail(this.network, id, name);
      assert(value === expected, `${name} is ${value}`);
    },
    "assert_!detail": (id = "", name = "", unexpected = "") => {
      const value = nodeDetail(this.network, id, name);
      assert(value !== undefined && value !== unexpected, `${name} is ${value}`);
    },
    assert_config: (id = "", seqno = "", ...expected) => {
      const nodes = this.#configuration(id, seqno)?.nodes;
      assert(nodes?.join() === [...expected].sort().join(), `it is of the nodes ${nodes}`);
    },
    assert_absent_config: (id = "", seqno = "") => {
      assert(this.#configuration(id, seqno) === undefined, "it is active");
    },
  };

  #configuration(id: NodeId, seqno: string) {
    const { active } = this.network.node(id).engine.state.configurations;
    return active.find((configuration) => configuration.seqno === Number(seqno));
  }

  #trust(view: string, ids: readonly NodeId[]): void {
    this.#swap(view, [], ids);
  }

  #swap(view: string, out: readonly NodeId[], into: readonly NodeId[]): void {
    for (const id of into) this.network.addNode(id, false);
    for (const id of this.network.ids) {
      for (const other of into) if (id !== other) this.network.connect(id, other);
    }
    const nodes = this.network.ids.filter((id) => !out.includes(id));
    this.#propose(view, "", { kind: "configuration", nodes });
  }

  #reconnect(id: NodeId): void {
    for (const other of this.network.ids) if (other !== id) this.network.connect(id, other);
  }

  #propose(view: string, text: string, mark?: MarkWithoutSeqno): void {
    const primaries = this.network.primaries();
    const primary =
      view === "latest"
        ? primaries[0]
        : primaries.find(({ engine }) => engine.view === Number(view));
    if (primary === undefined && view === "latest") return;
    assert(primary !== undefined, `view ${view} has a primary`);
    this.network.propose(
      primary.id,
      mark === undefined || mark.kind === "signature" ? text : JSON.stringify(mark),
      toEntrySizeBytes(text, mark),
      (seqno) => (mark === undefined ? undefined : { ...mark, seqno }),
    );
  }

  #loopUntilSync(): void {
    const [primary] = this.network.primaries();
    assert(primary !== undefined, "the network has a primary to agree with");
    const active = this.network.nodes.filter(
      ({ engine }) => engine.state.retirement.phase === undefined,
    );
    const ids = active.map(({ id }) => id);
    this.#propose(`${primary.engine.view}`, "signature", { kind: "signature" });
    for (const id of ids) this.#reconnect(id);
    for (let round = 0; ; round++) {
      this.network.advance(primary.id, 10);
      this.network.dispatchAll();
      const differences = findDifferences(this.network, ids);
      if (differences.length === 0) return;
      assert(round < syncRoundMax - 1, `the nodes agree in the end: ${differences.join("; ")}`);
    }
  }

  #showState(id: NodeId): void {
    const { state } = this.network.node(id).engine;
    const { lastSeqno, committedSeqno } = state.log;
    const phase = state.retirement.phase ?? "active";
    const position = `${state.view}.${lastSeqno}`;
    this.output.push(`${id}: ${state.leadership} ${phase} ${position} (${committedSeqno})`);
  }

  #showLog(id: NodeId): void {
    const entries = this.network.node(id).ledger.map(({ view, seqno }) => `${view}.${seqno}`);
    this.output.push(`${id}: ${entries.join(" ")}`);
  }
}

type MarkWithoutSeqno =
  | { readonly kind: "signature" }
  | { readonly kind: "configuration" | "retired"; readonly nodes: readonly NodeId[] };

/** The items after `name`, up to `end`. */
function listAfter(items: readonly string[], name: string, end: string): readonly string[] {
  const start = items.indexOf(name);
  if (start === -1) return [];
  const tail = items.slice(start + 1);
  const stop = tail.indexOf(end);
  return stop === -1 ? tail : tail.slice(0, stop);
}

const typeNames = { configuration: "reconfiguration", retired: "retired_committed" };

/** Size of the JSON text that the driver of the reference traces replicates. */
function toEntrySizeBytes(text: string, mark: MarkWithoutSeqno | undefined): number {
  let content = text;
  let type = "raw";
  if (mark !== undefined && mark.kind !== "signature") {
    const addresses = mark.nodes.map((node) => [node, { address: ":" }]);
    content = JSON.stringify(Object.fromEntries(addresses));
    type = typeNames[mark.kind];
  }
  return JSON.stringify({ data: bytesToBase64(utf8ToBytes(content)), type }).length;
}
