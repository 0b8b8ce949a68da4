/** What is checked of a governance request before its handler runs. */
import { bytesToUtf8 } from "@coco/base";
import type { AppRequest, Caller, Outcome } from "@coco/runtime";
import { parseJsonObject } from "../canonical-json.ts";
import { errorOutcome, unauthorizedOutcome } from "./responses.ts";
import type { ApiVersion, Call, Route, SignedCall, SignedRoute } from "./route.ts";

/** Either a value or the answer that refuses the request. */
export type Checked<Value> =
  | { readonly kind: "ok"; readonly value: Value }
  | { readonly kind: "refused"; readonly outcome: Outcome };

export function ok<Value>(value: Value): Checked<Value> {
  return { kind: "ok", value };
}

export function refused<Value>(status: number, code: string, message: string): Checked<Value> {
  return { kind: "refused", outcome: errorOutcome(status, code, message) };
}

/** Oldest first. */
const apiVersions: readonly ApiVersion[] = ["2023-06-01-preview", "2024-07-01"];

function decodeComponent(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}

/** The first of duplicate parameters counts. */
export function parseQuery(query: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const part of query.split("&")) {
    const equals = part.indexOf("=");
    const name = decodeComponent(equals < 0 ? part : part.slice(0, equals));
    const value = decodeComponent(equals < 0 ? "" : part.slice(equals + 1));
    if (name !== "" && !parameters.has(name)) parameters.set(name, value);
  }
  return parameters;
}

/** Every governance request names the version of the API. */
export function checkApiVersion(
  route: Route,
  query: ReadonlyMap<string, string>,
): Checked<ApiVersion> {
  const oldest = apiVersions.indexOf(route.versionMin ?? "2023-06-01-preview");
  const supported = apiVersions.slice(oldest);
  const hint = `The supported api-versions are: ${supported.join(", ")}`;
  const value = query.get("api-version");
  if (value === undefined) {
    const message = "The api-version query parameter (?api-version=) is required for all requests.";
    return refused(400, "MissingApiVersionParameter", `${message} ${hint}`);
  }
  const version = supported.find((candidate) => candidate === value);
  if (version !== undefined) return ok(version);
  return refused(400, "UnsupportedApiVersionValue", `Unsupported api-version '${value}'. ${hint}`);
}

const hexId = /^[0-9a-fA-F]{64}$/;

/** A path parameter that has to be 64 hexadecimal digits. */
export function checkHexId(
  call: Call,
  parameter: string,
  kind: "member" | "user" | "node" | "proposal",
): Checked<string> {
  const value = call.params[parameter] ?? "";
  if (hexId.test(value)) return ok(value);
  const message = `'${value}' is not a valid hex-encoded ${kind} ID`;
  return refused(400, "InvalidResourceName", message);
}

type SignedCaller = Extract<Caller, { readonly cose: unknown }>;

function isSignedCaller(caller: Caller): caller is SignedCaller {
  return "cose" in caller;
}

function readCreatedAt(value: unknown): number | undefined {
  const seconds = typeof value === "bigint" ? Number(value) : value;
  const isValid = typeof seconds === "number" && Number.isInteger(seconds) && seconds >= 0;
  return isValid ? seconds : undefined;
}

function checkMessageType(route: SignedRoute, found: unknown): Outcome | undefined {
  if (found === route.messageType) return undefined;
  const expected = `expected ccf.gov.msg.type to be ${route.messageType}`;
  const message =
    typeof found === "string"
      ? `Found ccf.gov.msg.type set to ${found}, ${expected}`
      : `Missing ccf.gov.msg.type, ${expected}`;
  return unauthorizedOutcome(route.policy, message);
}

/** Takes what governance needs out of an authenticated COSE_Sign1 request. */
export function checkSignedCall(
  route: SignedRoute,
  request: AppRequest,
  caller: Caller,
): Checked<SignedCall> {
  if (!isSignedCaller(caller)) {
    return { kind: "refused", outcome: unauthorizedOutcome(route.policy, "Request is not signed") };
  }
  const { protectedHeaders, content, signature } = caller.cose;
  const wrongType = checkMessageType(route, protectedHeaders.get("ccf.gov.msg.type"));
  if (wrongType !== undefined) return { kind: "refused", outcome: wrongType };
  const createdAt = readCreatedAt(protectedHeaders.get("ccf.gov.msg.created_at"));
  if (createdAt === undefined) {
    const message =
      "Missing created_at in protected header: set ccf.gov.msg.created_at to the time of " +
      "signing, in seconds since 1970";
    return refused(400, "InvalidCreatedAt", message);
  }
  const proposalId = protectedHeaders.get("ccf.gov.msg.proposal_id");
  return ok({
    memberId: caller.id,
    envelope: request.body,
    content,
    signature,
    createdAt,
    proposalId: typeof proposalId === "string" ? proposalId : undefined,
  });
}

/** The signer has to be the member of the path. */
export function checkSignerIsMember(call: Call, signed: SignedCall): Checked<string> {
  const memberId = call.params["memberId"] ?? "";
  if (memberId === signed.memberId) return ok(memberId);
  const message =
    `Member ID from path parameter (m[${memberId}]) does not match ` +
    `member ID from body signature (m[${signed.memberId}]).`;
  return refused(400, "InvalidAuthenticationInfo", message);
}

/** A text member of the signed JSON object. */
export function checkSignedText(signed: SignedCall, field: string): Checked<string> {
  let text: string;
  try {
    text = bytesToUtf8(signed.content);
  } catch {
    return refused(400, "InvalidInput", "Signed request body is not UTF-8 text");
  }
  const value = parseJsonObject(text)?.[field];
  if (typeof value === "string") return ok(value);
  const message = "Signed request body is not a JSON object containing required string field";
  return refused(400, "InvalidInput", `${message} "${field}"`);
}
