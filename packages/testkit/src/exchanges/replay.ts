/**
 * Plays a recorded run against a node: every request again, signed again where it was signed, with
 * our identifiers for theirs; and compares the answers.
 */
import { createHash, X509Certificate } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { base64ToBytes } from "@coco/base";
import { createNodeCrypto, pemToSigningKey } from "@coco/base/node";
import { type ComparedResponse, compareResponses } from "./comparison.ts";
import { ExchangeClient, type ExchangeIdentity, parseResponse } from "./exchange-client.ts";
import { IdentityMap, learnIdentities } from "./identities.ts";
import { type MessageKeys, signAgain } from "./message-signing.ts";
import {
  type LedgerMessage,
  type RecordedExchange,
  type RecordedRequest,
  readExchanges,
  readLedgerMessages,
  recordedHeader,
} from "./recording.ts";
import { createTokenSigner, type TokenSigner } from "./token-signing.ts";

export interface ReplayOptions {
  /** `https://host:port` of a fresh node of the recorded members, its service not yet open. */
  readonly url: string;
  /** Folder with the recording's `ccf-http` and `ccf-ledgers`. */
  readonly vectors: string;
  /** PEM. */
  readonly serviceCertificate: string;
}

export interface ReplayedExchange {
  readonly line: number;
  readonly title: string;
  /** Empty: like the recording. */
  readonly differences: readonly string[];
}

const txIdHeader = "x-ms-ccf-transaction-id";
/** Deletes the record that later answers miss; the recording left it out. */
const unrecordedDeletion = { seqno: 25, method: "DELETE", path: "/app/log/private?id=42" };
const recordedIssuerKey = /"kty":"RSA","n":"([A-Za-z0-9_-]+)"/;

export async function replayRecording(options: ReplayOptions): Promise<ReplayedExchange[]> {
  const replay = new Replay(options);
  try {
    return await replay.run();
  } finally {
    replay.close();
  }
}

/** In the order of time: what was recorded before opening comes from another run. */
function inOrder(exchanges: readonly RecordedExchange[]): RecordedExchange[] {
  const of = (set: string) => exchanges.filter((exchange) => exchange.set === set);
  const setup = of("setup");
  const open = setup.findIndex(({ note }) => note?.startsWith("add users") === true);
  return [
    ...setup.slice(0, open),
    ...of("before-open"),
    ...setup.slice(open),
    ...of("main"),
    ...of("extra"),
  ];
}

class Replay {
  readonly #options: ReplayOptions;
  readonly #exchanges: readonly RecordedExchange[];
  readonly #messages: ReadonlyMap<number, LedgerMessage>;
  readonly #identities = new IdentityMap();
  readonly #clients = new Map<string, ExchangeClient>();
  readonly #pems: ReadonlyMap<string, ExchangeIdentity>;
  readonly #keys: MessageKeys;
  readonly #tokens: TokenSigner;
  readonly #signedAgain = new Map<string, Uint8Array>();
  readonly #secondsLater: number;
  /** Recorded seqnos that have been played. */
  readonly #done = new Set<number>();

  constructor(options: ReplayOptions) {
    this.#options = options;
    const service = join(options.vectors, "ccf-ledgers/live_service");
    const path = join(options.vectors, "ccf-http/exchanges.jsonl");
    this.#exchanges = inOrder(readExchanges(path));
    this.#messages = readLedgerMessages(join(service, "ledger"));
    this.#pems = readIdentities(join(service, "common"));
    for (const { certificate } of this.#pems.values()) {
      this.#identities.keep(certificate);
      this.#identities.keep(certificateToId(certificate));
    }
    const recordedService = readFileSync(join(service, "common/service_cert.pem"), "utf8");
    this.#identities.learn(recordedService, options.serviceCertificate);
    const recordedMs = Date.parse((this.#exchanges[0] as { ts?: string } | undefined)?.ts ?? "");
    this.#secondsLater = Math.floor((Date.now() - recordedMs) / 1000) - 60;
    this.#keys = {
      signerOf: createSignerTable(this.#pems),
      verifier: createNodeCrypto(),
      identities: this.#identities,
      secondsLater: this.#secondsLater,
    };
    this.#tokens = this.#createTokens();
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  async run(): Promise<ReplayedExchange[]> {
    const results: ReplayedExchange[] = [];
    for (const exchange of this.#exchanges) {
      const { line, set, note } = exchange;
      const title = `${line} ${set}: ${note ?? exchange.request?.path ?? ""}`;
      const differences =
        exchange.request === undefined
          ? await this.#playRaw(exchange)
          : await this.#play(exchange, exchange.request);
      results.push({ line, title, differences });
    }
    return results;
  }

  #createTokens(): TokenSigner {
    for (const { cose } of this.#messages.values()) {
      const match = recordedIssuerKey.exec(Buffer.from(cose).toString("latin1"));
      if (match === null) continue;
      const tokens = createTokenSigner(match[1]!);
      this.#identities.learn(match[1]!, tokens.modulus);
      return tokens;
    }
    throw new Error("the recording holds no issuer key");
  }

  async #play(exchange: RecordedExchange, request: RecordedRequest): Promise<string[]> {
    const recorded = exchange.response!;
    const txId = recordedHeader(recorded, txIdHeader);
    const seqno = Number(txId?.split(".")[1] ?? 0);
    const isWrite = request.method !== "GET" && exchange.set !== "before-open";
    if (exchange.set !== "before-open") {
      await this.#fillGaps(
        txId === undefined ? this.#nextSeqno(exchange) : isWrite ? seqno : seqno + 1,
      );
    }
    const bodyBytes = this.#bodyOf(exchange, request, seqno);
    if (bodyBytes === undefined) return ["request: its body was not recorded"];
    const ours = await this.#send(exchange.client, request, bodyBytes, recorded.status);
    this.#learn(exchange, ours);
    if (isWrite && txId !== undefined && recorded.status < 300) {
      this.#done.add(seqno);
      await this.#learnTransaction(seqno, ours);
    }
    const { status, reason, rawHeaders, body } = recorded;
    return compareResponses({ status, reason, rawHeaders, body: body ?? undefined }, ours);
  }

  /** Again and again while the answer is that a past transaction is being read. */
  async #send(
    client: string | null,
    request: RecordedRequest,
    bodyBytes: Uint8Array,
    recordedStatus: number,
  ): Promise<ComparedResponse> {
    const path = this.#pathOf(request.path);
    const headers = this.#headersOf(request);
    for (let attempt = 0; ; attempt++) {
      const ours = await this.#client(client).request(request.method, path, headers, bodyBytes);
      if (ours.status !== 202 || recordedStatus === 202 || attempt >= 100) return ours;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  #client(name: string | null): ExchangeClient {
    const key = name ?? "";
    let client = this.#clients.get(key);
    if (client === undefined) {
      client = new ExchangeClient(this.#options.url, this.#pems.get(key));
      this.#clients.set(key, client);
    }
    return client;
  }

  #pathOf(path: string): string {
    const replaced = this.#identities.apply(path);
    const ids = replaced.replace(
      /(transaction_id=|transactions\/)([0-9]+)\.([0-9]+)/g,
      (_, name, view, seqno) => {
        const ours = this.#identities.get(`2.${seqno}`)?.split(".")[1] ?? seqno;
        return `${name}${view}.${ours}`;
      },
    );
    return ids.replace(/to_seqno=([0-9]+)/, (text, seqno) => {
      const ours = this.#identities.get(`2.${seqno}`)?.split(".")[1];
      return ours === undefined ? text : `to_seqno=${ours}`;
    });
  }

  #headersOf(request: RecordedRequest): Record<string, string> {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(request.headers)) {
      if (name === "content-length") continue;
      headers[name] = this.#identities.applyTransactionIds(String(value));
      if (name === "authorization") {
        headers[name] = this.#tokens.signAgain(String(value), this.#secondsLater);
      }
    }
    return headers;
  }

  #bodyOf(
    exchange: RecordedExchange,
    request: RecordedRequest,
    seqno: number,
  ): Uint8Array | undefined {
    const { body, body_base64: base64, body_elided_total_bytes: total } = request;
    if (total !== undefined && body !== undefined) {
      const start = body.replace(/\.\.\.$/, "");
      const end = '"}';
      return Buffer.from(start.padEnd(total - end.length, "x") + end);
    }
    if (base64 !== undefined) return this.#signOnce(base64ToBytes(base64));
    const isCose = request.headers["content-type"] === "application/cose";
    if (body === undefined && isCose) {
      const message = this.#messages.get(seqno);
      return message === undefined || exchange.set === "before-open"
        ? undefined
        : this.#signOnce(message.cose);
    }
    return Buffer.from(body ?? "");
  }

  /** The same recorded bytes become the same bytes, so that a replay stays one. */
  #signOnce(recorded: Uint8Array): Uint8Array {
    const name = createHash("sha256").update(recorded).digest("hex");
    let again = this.#signedAgain.get(name);
    if (again === undefined) {
      again = signAgain(this.#keys, recorded);
      this.#signedAgain.set(name, again);
    }
    return again;
  }

  #learn({ response }: RecordedExchange, ours: ComparedResponse): void {
    if (response?.body === undefined || ours.body === undefined) return;
    try {
      learnIdentities(this.#identities, JSON.parse(response.body), JSON.parse(ours.body));
    } catch {
      // Text answers name nothing that later requests need.
    }
  }

  /** The transaction that the recording names next. */
  #nextSeqno(exchange: RecordedExchange): number {
    for (const { response } of this.#exchanges.slice(this.#exchanges.indexOf(exchange))) {
      if (response === undefined) continue;
      const txId = recordedHeader(response, txIdHeader);
      if (txId !== undefined) return Number(txId.split(".")[1]);
    }
    return 0;
  }

  /** What the ledger holds before `seqnoEnd` and no recorded request did. */
  async #fillGaps(seqnoEnd: number): Promise<void> {
    const { seqno: deletion, method, path } = unrecordedDeletion;
    for (let seqno = 1; seqno < seqnoEnd; seqno++) {
      if (this.#done.has(seqno) || this.#isRecorded(seqno)) continue;
      this.#done.add(seqno);
      const message = this.#messages.get(seqno);
      if (seqno === deletion) {
        const ours = await this.#client("user0").request(method, path, {}, new Uint8Array(0));
        await this.#learnTransaction(seqno, ours);
      } else if (message !== undefined) {
        await this.#playMessage(message);
      }
    }
  }

  #isRecorded(seqno: number): boolean {
    return this.#exchanges.some(
      ({ request, response, set }) =>
        request !== undefined &&
        request.method !== "GET" &&
        // A POST may only have read what a vote has written.
        (request.path.startsWith("/gov/") || !this.#messages.has(seqno)) &&
        set !== "before-open" &&
        recordedHeader(response!, txIdHeader) === `2.${seqno}`,
    );
  }

  async #playMessage(message: LedgerMessage): Promise<void> {
    const { proposalId, seqno, cose } = message;
    const text = Buffer.from(cose).toString("latin1");
    const id = this.#identities.get(proposalId ?? "") ?? proposalId;
    const member = /[0-9a-f]{64}/.exec(text)?.[0];
    const base = "/gov/members/proposals";
    const path = text.includes("withdrawal")
      ? `${base}/${id}:withdraw`
      : text.includes('"ballot"')
        ? `${base}/${id}/ballots/${member}:submit`
        : `${base}:create`;
    const headers = { "content-type": "application/cose" };
    const url = `${path}?api-version=2024-07-01`;
    const ours = await this.#client(null).request("POST", url, headers, this.#signOnce(cose));
    const body = JSON.parse(ours.body ?? "{}") as { readonly proposalId?: string };
    if (ours.status !== 200 || body.proposalId === undefined) {
      throw new Error(`the unrecorded message of 2.${seqno} was refused: ${ours.body}`);
    }
    if (path.endsWith(":create")) this.#identities.learn(proposalId!, body.proposalId);
    await this.#learnTransaction(seqno, ours);
  }

  /** Waits for the commit; then the signature after the recorded write has its counterpart too. */
  async #learnTransaction(seqno: number, ours: ComparedResponse): Promise<void> {
    const at = ours.rawHeaders.indexOf(txIdHeader);
    const txId = ours.rawHeaders[at + 1];
    if (at < 0 || txId === undefined) return;
    this.#identities.learn(`2.${seqno}`, txId);
    const client = this.#client(null);
    for (let attempt = 0; attempt < 1000; attempt++) {
      const path = `/node/tx?transaction_id=${txId}`;
      const { body } = await client.request("GET", path, {}, new Uint8Array(0));
      if (body?.includes("Committed") === true) break;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const commit = await client.request("GET", "/node/commit", {}, new Uint8Array(0));
    const { transaction_id: signature } = JSON.parse(commit.body ?? "{}") as {
      readonly transaction_id: string;
    };
    // In the recording a signature followed some writes later; ours follows every one.
    for (let next = seqno + 1; next <= seqno + 8; next++) {
      if (!this.#messages.has(next) && !this.#isRecorded(next)) {
        this.#identities.learn(`2.${next}`, signature);
        break;
      }
    }
  }

  async #playRaw(exchange: RecordedExchange): Promise<string[]> {
    const recorded: ComparedResponse[] = [];
    let rest = Buffer.from(exchange.raw_response ?? "", "utf8");
    for (;;) {
      const parsed = parseResponse(rest);
      if (parsed === undefined) break;
      recorded.push(parsed.response);
      rest = rest.subarray(parsed.sizeBytes);
    }
    if (recorded.length === 0) return [];
    const identity = this.#pems.get(exchange.client ?? "");
    const client = new ExchangeClient(this.#options.url, identity);
    try {
      const bytes = Buffer.from(expandElided(exchange.raw_request ?? ""), "utf8");
      const ours = await client.send(bytes, recorded.length);
      if (ours.length !== recorded.length) {
        return [`${recorded.length} answers were recorded, ours are ${ours.length}`];
      }
      return recorded.flatMap((response, index) => compareResponses(response, ours[index]!));
    } finally {
      client.close();
    }
  }
}

/** Long requests were recorded as `aaa...(20035 bytes)`. */
function expandElided(request: string): string {
  const match = /\.\.\.\(([0-9]+) bytes\)$/.exec(request);
  if (match === null) return request;
  const start = request.slice(0, match.index);
  return `${start.padEnd(Number(match[1]) - 4, start.at(-1))}\r\n\r\n`;
}

function readIdentities(directory: string): ReadonlyMap<string, ExchangeIdentity> {
  const identities = new Map<string, ExchangeIdentity>();
  for (const file of readdirSync(directory)) {
    const name = /^(.+)_privk\.pem$/.exec(file)?.[1];
    if (name === undefined || name.endsWith("_enc")) continue;
    identities.set(name, {
      certificate: readFileSync(join(directory, `${name}_cert.pem`), "utf8"),
      key: readFileSync(join(directory, file), "utf8"),
    });
  }
  return identities;
}

/** Member or user id. */
function certificateToId(certificate: string): string {
  const { raw } = new X509Certificate(certificate);
  return createHash("sha256").update(raw).digest("hex");
}

function createSignerTable(
  identities: ReadonlyMap<string, ExchangeIdentity>,
): MessageKeys["signerOf"] {
  const signers = new Map(
    [...identities.values()].map(
      ({ certificate, key }) => [certificateToId(certificate), pemToSigningKey(key)] as const,
    ),
  );
  return (keyId) => signers.get(keyId);
}
