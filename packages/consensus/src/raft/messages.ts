/**
 * Messages between nodes. Wire form: a byte for the version (1), a byte for the type, then the
 * fields in the order in which they are declared: seqnos, views 8 bytes, numbers 4 bytes, flags 1;
 * all big-endian, nothing optional, so that each type has one size.
 */

import { consensusErrors } from "../errors.ts";
import type { Seqno, View } from "../tx-id.ts";

export interface AppendEntries {
  readonly type: "appendEntries";
  readonly view: View;
  readonly prevSeqno: Seqno;
  readonly prevView: View;
  /** The entries are those after `prevSeqno` up to this one, all of one view. */
  readonly lastSeqno: Seqno;
  readonly lastView: View;
  readonly committedSeqno: Seqno;
}

export interface AppendEntriesResponse {
  readonly type: "appendEntriesResponse";
  /** When refused, of the latest entry that may match; it can be an old view. */
  readonly view: View;
  readonly lastSeqno: Seqno;
  readonly isAccepted: boolean;
  /** Changes when the sender has lost entries that it had accepted. 32 bits. */
  readonly incarnation: number;
}

export interface VoteRequest {
  readonly type: "voteRequest" | "preVoteRequest";
  readonly view: View;
  readonly signatureSeqno: Seqno;
  readonly signatureView: View;
}

export interface VoteResponse {
  readonly type: "voteResponse" | "preVoteResponse";
  readonly view: View;
  readonly isGranted: boolean;
}

/** Asks a node to become candidate at once. */
export interface CandidacyProposal {
  readonly type: "candidacyProposal";
  readonly view: View;
}

export type RaftMessage =
  | AppendEntries
  | AppendEntriesResponse
  | VoteRequest
  | VoteResponse
  | CandidacyProposal;

type Field = readonly [name: string, kind: "position" | "number" | "flag"];

const version = 1;
const headerSizeBytes = 2;
const sizesBytes = { position: 8, number: 4, flag: 1 };

const voteRequestFields: readonly Field[] = [
  ["view", "position"],
  ["signatureSeqno", "position"],
  ["signatureView", "position"],
];
const voteResponseFields: readonly Field[] = [
  ["view", "position"],
  ["isGranted", "flag"],
];

const layouts: readonly (readonly [RaftMessage["type"], readonly Field[]])[] = [
  [
    "appendEntries",
    [
      ["view", "position"],
      ["prevSeqno", "position"],
      ["prevView", "position"],
      ["lastSeqno", "position"],
      ["lastView", "position"],
      ["committedSeqno", "position"],
    ],
  ],
  [
    "appendEntriesResponse",
    [
      ["view", "position"],
      ["lastSeqno", "position"],
      ["isAccepted", "flag"],
      ["incarnation", "number"],
    ],
  ],
  ["voteRequest", voteRequestFields],
  ["preVoteRequest", voteRequestFields],
  ["voteResponse", voteResponseFields],
  ["preVoteResponse", voteResponseFields],
  ["candidacyProposal", [["view", "position"]]],
];

export function encodeMessage(message: RaftMessage): Uint8Array {
  const type = layouts.findIndex(([name]) => name === message.type);
  const fields = layouts[type]![1];
  const bytes = new Uint8Array(messageSizeBytes(fields));
  const data = new DataView(bytes.buffer);
  data.setUint8(0, version);
  data.setUint8(1, type);
  const values = message as unknown as Readonly<Record<string, number | boolean>>;
  let offset = headerSizeBytes;
  for (const [name, kind] of fields) {
    const value = Number(values[name]);
    if (kind === "position") {
      data.setUint32(offset, Math.floor(value / 2 ** 32));
      data.setUint32(offset + 4, value >>> 0);
    } else if (kind === "number") data.setUint32(offset, value);
    else data.setUint8(offset, value);
    offset += sizesBytes[kind];
  }
  return bytes;
}

/** @throws {CocoError} BadMessage */
export function decodeMessage(bytes: Uint8Array): RaftMessage {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < headerSizeBytes || data.getUint8(0) !== version) {
    throw badMessage("it is not of a known version");
  }
  const layout = layouts[data.getUint8(1)];
  if (layout === undefined) throw badMessage(`type ${data.getUint8(1)} is unknown`);
  const [type, fields] = layout;
  if (bytes.length !== messageSizeBytes(fields)) {
    throw badMessage(`${type} has ${bytes.length} bytes`);
  }
  const message: Record<string, unknown> = { type };
  let offset = headerSizeBytes;
  for (const [name, kind] of fields) {
    message[name] = readField(data, offset, kind, name);
    offset += sizesBytes[kind];
  }
  const decoded = message as unknown as RaftMessage;
  if (decoded.type === "appendEntries") checkAppendEntries(decoded);
  return decoded;
}

function readField(data: DataView, offset: number, kind: Field[1], name: string): number | boolean {
  if (kind === "number") return data.getUint32(offset);
  if (kind === "flag") {
    const flag = data.getUint8(offset);
    if (flag > 1) throw badMessage(`${name} is not a flag`);
    return flag === 1;
  }
  const high = data.getUint32(offset);
  // Leaves room for arithmetic with whole numbers.
  if (high >= 2 ** 20) throw badMessage(`${name} is too large`);
  return high * 2 ** 32 + data.getUint32(offset + 4);
}

function checkAppendEntries(message: AppendEntries): void {
  const { view, prevSeqno, prevView, lastSeqno, lastView } = message;
  const isOrdered = prevSeqno <= lastSeqno && prevView <= lastView && lastView <= view;
  if (!isOrdered) throw badMessage("appendEntries goes backwards");
  // Only what is before the first entry is of no view.
  const isPlaced = (prevSeqno === 0) === (prevView === 0) && (lastSeqno === 0) === (lastView === 0);
  if (!isPlaced) throw badMessage("appendEntries has entries without a view");
}

function messageSizeBytes(fields: readonly Field[]): number {
  return fields.reduce((sum, [, kind]) => sum + sizesBytes[kind], headerSizeBytes);
}

export function badMessage(detail: string): Error {
  return consensusErrors.create("BadMessage", detail);
}
