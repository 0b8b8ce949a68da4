/** The trace of a scenario, in the form that CCF's trace specification reads. */
import { assert } from "@coco/base";
import type { NodeId } from "../engine.ts";
import type { TraceEvent } from "../raft/raft-trace.ts";

export interface TraceLine {
  /** Position in the trace, growing. */
  readonly h_ts: string;
  readonly tag: "raft_trace";
  readonly msg: TraceEvent;
  /** The command of the scenario that led to it. */
  readonly cmd: string;
  readonly cmd_prefix: string;
}

export class ScenarioTrace {
  command = "";
  #time = 0;
  readonly #lines: TraceLine[] = [];

  add(msg: TraceEvent): void {
    const h_ts = `${++this.#time}`;
    const cmd_prefix = this.command.split(",")[0]!;
    this.#lines.push({ h_ts, tag: "raft_trace", msg, cmd: this.command, cmd_prefix });
  }

  /**
   * As the specification wants it: an entry with a configuration is one event, so is a proposed
   * candidacy, and the first node's beginning is the event `bootstrap`.
   */
  toLines(): readonly TraceLine[] {
    const kept = new Set<TraceLine>();
    const histories = new Map<NodeId, TraceLine[]>();
    const first = this.#lines[0]?.msg.state.node_id;
    for (const line of this.#lines) {
      const node = line.msg.state.node_id;
      const history = histories.get(node) ?? [];
      histories.set(node, history);
      if (line.msg.function === "add_configuration") {
        const entry = history.pop();
        assert(entry !== undefined, "a configuration comes with an entry");
        kept.delete(entry);
      }
      const isProposed =
        line.msg.function === "become_candidate" &&
        history.at(-1)?.msg.function === "recv_propose_request_vote";
      if (isProposed) continue;
      history.push(line);
      kept.add(line);
    }
    const beginning = histories.get(first ?? "")?.slice(0, 4) ?? [];
    const names = beginning.map(({ msg }) => msg.function).join();
    assert(names === "become_leader,add_configuration,replicate,commit", "a service begins so");
    for (const line of beginning.slice(0, 3)) kept.delete(line);
    return [...kept].map((line) =>
      line === beginning[3] ? { ...line, msg: { ...line.msg, function: "bootstrap" } } : line,
    );
  }
}
