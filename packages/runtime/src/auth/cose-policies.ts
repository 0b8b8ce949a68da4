/** user_cose_sign1, member_cose_sign1, active_member_cose_sign1: the body is a signed message. */
import {
  type CoseSign1,
  certificateToPublicKey,
  coseHeader,
  decodeCoseSign1,
  isCocoError,
  type Verifier,
  verifyCoseSign1,
} from "@coco/base";
import { jsonCodec, textCodec } from "@coco/store";
import type { Caller } from "../application.ts";
import { LruCache } from "../lru-cache.ts";
import { requestErrors } from "../request-errors.ts";
import { identityKinds, infoTextToData } from "./certificate-policies.ts";
import { type PolicyCheck, type PolicyInput, type PolicyResult, refused } from "./policy.ts";

const messageTypeHeader = "ccf.gov.msg.type";
const createdAtHeader = "ccf.gov.msg.created_at";
const ecdsaAlgorithms = new Set<unknown>([-7, -35, -36]);

function malformed(message: string): Error {
  return requestErrors.create("MalformedCose", message, { reason: message });
}

/** @throws {CocoError} MalformedCose whose fact `reason` has CCF's words */
function decodeBody(body: Uint8Array): CoseSign1 {
  const [first = 0] = body;
  const majorType = first >> 5;
  // Major types of CBOR: 4 is an array, 6 a tag; 0xd2 is tag 18.
  if (majorType !== 4 && majorType !== 6) throw malformed("Failed to parse COSE_Sign1 outer array");
  if (first !== 0xd2) throw malformed("COSE_Sign1 is not tagged");
  try {
    return decodeCoseSign1(body);
  } catch (error) {
    if (!isCocoError(error)) throw error;
    throw malformed("Failed to decode COSE_Sign1");
  }
}

interface SignedRequest {
  readonly message: CoseSign1;
  readonly algorithm: unknown;
  /** Text of the key id: hex SHA-256 of the signer's certificate. */
  readonly kid: string;
  readonly messageType: string | undefined;
}

function readHeaders(message: CoseSign1, isGovernance: boolean): SignedRequest {
  const headers = message.protectedHeaders;
  const algorithm = headers.get(coseHeader.algorithm);
  if (typeof algorithm !== "number") throw malformed("Missing algorithm in protected header");
  const kid = headers.get(coseHeader.keyId);
  if (!(kid instanceof Uint8Array)) throw malformed("Missing kid in protected header");
  const createdAt = headers.get(createdAtHeader);
  if (isGovernance) {
    if (typeof createdAt !== "number") throw malformed("Missing created_at in protected header");
    if (createdAt < 0) throw malformed("Header parameter created_at must be positive");
  }
  const messageType = headers.get(messageTypeHeader);
  return {
    message,
    algorithm,
    kid: String.fromCharCode(...kid.subarray(0, 128)),
    messageType: typeof messageType === "string" ? messageType : undefined,
  };
}

const publicKeyCountMax = 1024;
const memberInfoCodec = jsonCodec<{ readonly status?: unknown }>();

class CosePolicies {
  readonly #verifier: Verifier;
  /** By the certificate's stored text. */
  readonly #publicKeys = new LruCache<string, Uint8Array>(publicKeyCountMax);

  constructor(verifier: Verifier) {
    this.#verifier = verifier;
  }

  check(
    input: PolicyInput,
    policy: "user_cose_sign1" | "member_cose_sign1" | "active_member_cose_sign1",
  ): PolicyResult {
    const { request, transaction } = input;
    const contentType = request.headers.get("content-type");
    if (contentType === undefined) return refused("Missing content-type header");
    if (contentType !== "application/cose") {
      return refused("Content type is not set to application/cose");
    }
    const isUser = policy === "user_cose_sign1";
    const signed = readHeaders(decodeBody(request.body), !isUser);
    if (!ecdsaAlgorithms.has(signed.algorithm)) {
      return refused(`Unsupported algorithm: ${String(signed.algorithm)}`);
    }
    const kind = isUser ? identityKinds.user : identityKinds.member;
    const certificateText = transaction.table(kind.certificates).getText(signed.kid);
    if (certificateText === undefined) {
      return refused(`Signer is not a known ${isUser ? "user" : "member"}`);
    }
    if (!this.#isSigned(signed.message, certificateText)) {
      return refused("Failed to validate COSE Sign1");
    }
    const typeReason = isUser ? undefined : checkType(signed, input.expectedMessageType);
    if (typeReason !== undefined) return refused(typeReason);
    const infoText = transaction.table(kind.info).getText(signed.kid);
    if (policy === "active_member_cose_sign1") {
      const info = infoText === undefined ? {} : memberInfoCodec.decode(infoText);
      if (info.status !== "Active") return refused("Signer is not an ACTIVE member");
    }
    const data = infoTextToData(kind, infoText);
    return { ok: true, caller: toCaller(policy, signed, data, certificateText) };
  }

  #isSigned(message: CoseSign1, certificateText: string): boolean {
    try {
      let publicKey = this.#publicKeys.get(certificateText);
      if (publicKey === undefined) {
        publicKey = certificateToPublicKey(textCodec.decode(certificateText));
        this.#publicKeys.set(certificateText, publicKey);
      }
      return verifyCoseSign1(this.#verifier, message, publicKey);
    } catch (error) {
      if (isCocoError(error)) return false;
      throw error;
    }
  }
}

function checkType(signed: SignedRequest, expected: string | undefined): string | undefined {
  if (expected === undefined || signed.messageType === expected) return undefined;
  const wanted = `expected ${messageTypeHeader} to be ${expected}`;
  return signed.messageType === undefined
    ? `Missing ${messageTypeHeader}, ${wanted}`
    : `Found ${messageTypeHeader} set to ${signed.messageType}, ${wanted}`;
}

function toCaller(
  policy: "user_cose_sign1" | "member_cose_sign1" | "active_member_cose_sign1",
  { message, kid }: SignedRequest,
  data: unknown,
  certificateText: string,
): Caller {
  const { protectedHeaders, signature, payload = new Uint8Array(0) } = message;
  return {
    policy,
    id: kid,
    data,
    cert: textCodec.decode(certificateText),
    cose: { content: payload, protectedHeaders, signature },
  };
}

export function createCosePolicies(verifier: Verifier): Readonly<Record<string, PolicyCheck>> {
  const policies = new CosePolicies(verifier);
  return {
    user_cose_sign1: (input) => policies.check(input, "user_cose_sign1"),
    member_cose_sign1: (input) => policies.check(input, "member_cose_sign1"),
    active_member_cose_sign1: (input) => policies.check(input, "active_member_cose_sign1"),
  };
}
