/** What a node gives to its applications: the global `ccf`, requests and responses. */

type JsonValue = string | number | boolean | null | JsonValue[] | { [name: string]: JsonValue };

/** A table of this transaction: keys and values are bytes. */
interface KvTable {
  readonly size: number;
  has(key: ArrayBuffer): boolean;
  get(key: ArrayBuffer): ArrayBuffer | undefined;
  set(key: ArrayBuffer, value: ArrayBuffer): void;
  delete(key: ArrayBuffer): boolean;
  clear(): void;
  forEach(visit: (value: ArrayBuffer, key: ArrayBuffer, table: KvTable) => void): void;
  getVersionOfPreviousWrite(key: ArrayBuffer): number | undefined;
  /** Beyond CCF: in the order of the keys' bytes. */
  entries(): Iterable<[key: ArrayBuffer, value: ArrayBuffer]>;
  keys(): Iterable<ArrayBuffer>;
  values(): Iterable<ArrayBuffer>;
  /** Keys from `from` on (inclusive) up to `to` (exclusive), or with a common beginning. */
  range(options: {
    readonly from?: ArrayBuffer;
    readonly to?: ArrayBuffer;
    readonly prefix?: ArrayBuffer;
    readonly reverse?: boolean;
    readonly limit?: number;
  }): Iterable<[key: ArrayBuffer, value: ArrayBuffer]>;
}

/** Tables by name; `public:` names are readable by everybody who has the ledger. */
interface KvTables {
  readonly [name: string]: KvTable;
}

/** A past transaction, in endpoints whose mode is `historical`. */
interface HistoricalState {
  /** `view.seqno` */
  readonly transactionId: string;
  readonly receipt: JsonValue;
  readonly kv: KvTables;
}

interface Ccf {
  readonly kv: KvTables;
  readonly historicalState?: HistoricalState;
  readonly rpc: {
    /** False discards this request's writes although it succeeds. */
    setApplyWrites(isApplied: boolean): void;
    /** 32 bytes that the receipt of this transaction will prove. */
    setClaimsDigest(digest: ArrayBuffer): void;
  };
  readonly crypto: {
    digest(algorithm: "SHA-256" | "SHA-384" | "SHA-512", data: ArrayBuffer): ArrayBuffer;
  };
  strToBuf(text: string): ArrayBuffer;
  bufToStr(bytes: ArrayBuffer): string;
  jsonCompatibleToBuf(value: unknown): ArrayBuffer;
  bufToJsonCompatible<Value = JsonValue>(bytes: ArrayBuffer): Value;
}

declare const ccf: Ccf;
declare const console: Record<"log" | "info" | "warn" | "error", (...values: unknown[]) => void>;

/** Who called: a user by certificate, or nobody in particular. */
interface Caller {
  readonly policy: string | readonly string[];
  /** Hex SHA-256 of the caller's certificate. */
  readonly id?: string;
  /** What the members recorded about the user. */
  readonly data?: JsonValue;
}

interface AppRequest {
  readonly headers: { readonly [name: string]: string };
  readonly params: { readonly [name: string]: string };
  /** Without the question mark. */
  readonly query: string;
  readonly caller: Caller;
  readonly body: {
    text(): string;
    json<Value = JsonValue>(): Value;
    arrayBuffer(): ArrayBuffer;
  };
}

interface AppResponse {
  statusCode?: number;
  headers?: { [name: string]: string };
  body?: JsonValue | ArrayBuffer | object;
}
