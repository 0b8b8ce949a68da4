/** Requests and answers of a live service, as they were recorded, and what its ledger adds. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { base64ToBytes, bytesToUtf8 } from "@coco/base";
import {
  ChunkReader,
  decodeLedgerEntry,
  decodeWriteSet,
  findMap,
  orderLedgerFiles,
  type WriteSet,
} from "@coco/store";

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body?: string;
  readonly body_base64?: string;
  /** The recorded body is only the beginning. */
  readonly body_elided_total_bytes?: number;
}

export interface RecordedResponse {
  readonly status: number;
  readonly reason: string;
  /** Names and values in turn. */
  readonly rawHeaders: readonly string[];
  /** Absent when the body was too long to be recorded. */
  readonly body?: string;
}

export interface RecordedExchange {
  /** Line of the recording, from 1. */
  readonly line: number;
  readonly set: string;
  readonly note: string | null;
  /** Whose client certificate: `user0`, ...; null without one. */
  readonly client: string | null;
  readonly request?: RecordedRequest;
  readonly response?: RecordedResponse;
  /** Instead of both: the bytes as they went over the connection. */
  readonly raw_request?: string;
  readonly raw_response?: string;
}

/** A governance message that only the ledger holds. */
export interface LedgerMessage {
  readonly seqno: number;
  readonly cose: Uint8Array;
  /** Proposal that it creates or belongs to. */
  readonly proposalId: string | undefined;
}

export function readExchanges(path: string): RecordedExchange[] {
  return readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line, index) => ({ ...(JSON.parse(line) as RecordedExchange), line: index + 1 }));
}

/** The value of a header of the recorded answer. */
export function recordedHeader(response: RecordedResponse, name: string): string | undefined {
  const index = response.rawHeaders.findIndex((item, at) => at % 2 === 0 && item === name);
  return index < 0 ? undefined : response.rawHeaders[index + 1];
}

/** Governance messages of a ledger, by the transaction that recorded them. */
export function readLedgerMessages(directory: string): ReadonlyMap<number, LedgerMessage> {
  const files = readdirSync(directory).map((name) => {
    const bytes = readFileSync(join(directory, name));
    const read = (offset: number, sizeBytes: number) => bytes.subarray(offset, offset + sizeBytes);
    return { name, sizeBytes: bytes.length, read };
  });
  const messages = new Map<number, LedgerMessage>();
  for (const { file } of orderLedgerFiles(files).chunks) {
    for (const { seqno, bytes } of new ChunkReader(file).entries()) {
      const entry = decodeLedgerEntry(bytes);
      const writeSet = decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset);
      const cose = findMap(writeSet, "public:ccf.gov.cose_history")?.writes[0]?.[1];
      if (cose === undefined) continue;
      messages.set(seqno, {
        seqno,
        cose: base64ToBytes(JSON.parse(bytesToUtf8(cose)) as string),
        proposalId: proposalOf(writeSet),
      });
    }
  }
  return messages;
}

function proposalOf(writeSet: WriteSet): string | undefined {
  const key = findMap(writeSet, "public:ccf.gov.proposals_info")?.writes[0]?.[0];
  return key === undefined ? undefined : bytesToUtf8(key);
}
