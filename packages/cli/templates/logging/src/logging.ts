/**
 * Messages by number. Private messages are encrypted in the ledger; public ones are not. Tables
 * and answers are those of CCF's logging sample, so its clients work.
 */
import { badRequest, parseQuery } from "./http.ts";

interface Message {
  readonly id: number;
  readonly msg: string;
}

type Query = ReadonlyMap<string, string>;

/** A scope is a table of its own. */
function privateTable(tables: KvTables, query: Query): KvTable {
  const scope = query.get("scope");
  return tables[scope === undefined ? "records" : `records-${scope}`]!;
}

function publicTable(tables: KvTables, query: Query): KvTable {
  const scope = query.get("scope");
  return tables[scope === undefined ? "public:records" : `public:records-${scope}`]!;
}

function read(table: KvTable, query: Query): AppResponse {
  const id = query.get("id");
  if (id === undefined) return badRequest("InvalidInput", "The query has no id.");
  const message = table.get(ccf.strToBuf(id));
  if (message === undefined) {
    return { statusCode: 404, body: { error: { code: "NotFound", message: `No message ${id}.` } } };
  }
  return { body: { msg: ccf.bufToStr(message) } };
}

function write(table: KvTable, request: AppRequest): AppResponse {
  const { id, msg } = request.body.json<Message>();
  if (!Number.isSafeInteger(id) || typeof msg !== "string" || msg === "") {
    return badRequest("InvalidInput", "The body needs a number id and a text msg.");
  }
  table.set(ccf.strToBuf(String(id)), ccf.strToBuf(msg));
  return { body: true };
}

function remove(table: KvTable, query: Query): AppResponse {
  const id = query.get("id");
  if (id === undefined) return badRequest("InvalidInput", "The query has no id.");
  return { body: table.delete(ccf.strToBuf(id)) };
}

export function getPrivate(request: AppRequest): AppResponse {
  const query = parseQuery(request.query);
  return read(privateTable(ccf.kv, query), query);
}

export function postPrivate(request: AppRequest): AppResponse {
  return write(privateTable(ccf.kv, parseQuery(request.query)), request);
}

export function deletePrivate(request: AppRequest): AppResponse {
  const query = parseQuery(request.query);
  return remove(privateTable(ccf.kv, query), query);
}

export function countPrivate(request: AppRequest): AppResponse {
  return { body: privateTable(ccf.kv, parseQuery(request.query)).size };
}

export function getPublic(request: AppRequest): AppResponse {
  const query = parseQuery(request.query);
  return read(publicTable(ccf.kv, query), query);
}

/** A header `x-record-claim: true` lets the receipt prove the message itself. */
export function postPublic(request: AppRequest): AppResponse {
  const response = write(publicTable(ccf.kv, parseQuery(request.query)), request);
  if (response.statusCode === undefined && request.headers["x-record-claim"] === "true") {
    const { msg } = request.body.json<Message>();
    ccf.rpc.setClaimsDigest(ccf.crypto.digest("SHA-256", ccf.strToBuf(msg)));
  }
  return response;
}

export function deletePublic(request: AppRequest): AppResponse {
  const query = parseQuery(request.query);
  return remove(publicTable(ccf.kv, query), query);
}

export function countPublic(request: AppRequest): AppResponse {
  return { body: publicTable(ccf.kv, parseQuery(request.query)).size };
}

/** What a past transaction wrote; the header x-ms-ccf-transaction-id names it. */
export function getHistoricalPrivate(request: AppRequest): AppResponse {
  const query = parseQuery(request.query);
  return read(privateTable(ccf.historicalState!.kv, query), query);
}

/** The same with the receipt that proves it. */
export function getHistoricalPrivateReceipt(request: AppRequest): AppResponse {
  const response = getHistoricalPrivate(request);
  if (response.statusCode !== undefined) return response;
  return { body: { ...(response.body as object), receipt: ccf.historicalState!.receipt } };
}

export function getHistoricalPublicReceipt(request: AppRequest): AppResponse {
  const query = parseQuery(request.query);
  const response = read(publicTable(ccf.historicalState!.kv, query), query);
  if (response.statusCode !== undefined) return response;
  return { body: { ...(response.body as object), receipt: ccf.historicalState!.receipt } };
}
