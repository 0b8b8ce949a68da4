/** Decides who is calling: the first policy of the endpoint that passes. */
import { isCocoError, type Verifier } from "@coco/base";
import type { AppResponse, AuthPolicy, Caller } from "../application.ts";
import { requestErrors } from "../request-errors.ts";
import { rpcErrorResponse } from "../rpc-errors.ts";
import { createCertificatePolicies } from "./certificate-policies.ts";
import { createCosePolicies } from "./cose-policies.ts";
import { createJwtPolicy } from "./jwt-policy.ts";
import { type PolicyCheck, type PolicyInput, type PolicyResult, refused } from "./policy.ts";

/** One line of the 401 body's details. */
export interface AuthFailure {
  readonly auth_policy: string;
  readonly code: "InvalidAuthenticationInfo";
  readonly message: string;
}

export type Authentication =
  | { readonly kind: "caller"; readonly caller: Caller }
  /** No policy passed; `failures` are in the order of the policies. */
  | {
      readonly kind: "refused";
      readonly failures: readonly AuthFailure[];
      /** Value of www-authenticate, as the last policy asks for it. */
      readonly challenge: string | undefined;
    }
  /** The body is no signed message at all. */
  | { readonly kind: "malformed"; readonly reason: string };

export interface Authenticator {
  /** @throws {CocoError} UnknownAuthPolicy */
  authenticate(policies: readonly AuthPolicy[], input: PolicyInput): Authentication;
}

export interface AuthenticatorOptions {
  readonly verifier: Verifier;
  /** Further policies by name, for example node_cert of the node's own endpoints. */
  readonly policies?: Readonly<Record<string, PolicyCheck>>;
}

const coseChallenge = 'COSE-SIGN1 realm="Signed request access"';
const challenges: Readonly<Record<string, string>> = {
  jwt: 'Bearer realm="JWT bearer token access", error="invalid_token"',
  user_cose_sign1: coseChallenge,
  member_cose_sign1: coseChallenge,
  active_member_cose_sign1: coseChallenge,
};

const noAuth: PolicyResult = { ok: true, caller: Object.freeze({ policy: "no_auth" }) };

class PolicyAuthenticator implements Authenticator {
  readonly #checks: ReadonlyMap<string, PolicyCheck>;

  constructor({ verifier, policies = {} }: AuthenticatorOptions) {
    this.#checks = new Map(
      Object.entries({
        no_auth: () => noAuth,
        ...createCertificatePolicies(),
        jwt: createJwtPolicy(verifier),
        ...createCosePolicies(verifier),
        ...policies,
      }),
    );
  }

  authenticate(policies: readonly AuthPolicy[], input: PolicyInput): Authentication {
    // An endpoint without policies is open to everybody, as in CCF.
    if (policies.length === 0) return { kind: "caller", caller: { policy: "no_auth" } };
    const failures: AuthFailure[] = [];
    let challenge: string | undefined;
    try {
      for (const policy of policies) {
        const checked = this.#check(policy, input);
        if (checked.result.ok) return { kind: "caller", caller: checked.result.caller };
        // As in CCF the challenge is that of the last policy, also when it has none.
        challenge = challenges[checked.failedPolicy];
        failures.push({
          auth_policy: policyName(policy),
          code: "InvalidAuthenticationInfo",
          message: checked.result.reason,
        });
      }
    } catch (error) {
      if (!isCocoError(error) || error.code !== "MalformedCose") throw error;
      return { kind: "malformed", reason: String(error.facts["reason"]) };
    }
    return { kind: "refused", failures, challenge };
  }

  #check(policy: AuthPolicy, input: PolicyInput): CheckedPolicy {
    if (typeof policy === "string") {
      return { result: this.#checkNamed(policy, input), failedPolicy: policy };
    }
    const names = [...policy.all_of].toSorted();
    const parts: Record<string, Caller> = {};
    for (const name of names) {
      const result = this.#checkNamed(name, input);
      if (!result.ok) {
        return { result: refused(`${name}:${result.reason}`), failedPolicy: name };
      }
      parts[name] = result.caller;
    }
    return { result: { ok: true, caller: { policy: names, parts } }, failedPolicy: "" };
  }

  #checkNamed(name: string, input: PolicyInput): PolicyResult {
    const check = this.#checks.get(name);
    if (check === undefined) throw requestErrors.create("UnknownAuthPolicy", name.slice(0, 80));
    return check(input);
  }
}

interface CheckedPolicy {
  readonly result: PolicyResult;
  /** Of a conjunction: the part that failed. */
  readonly failedPolicy: string;
}

/** The name in failures and in OpenAPI: a conjunction is its sorted parts joined by plus. */
export function policyName(policy: AuthPolicy): string {
  return typeof policy === "string" ? policy : [...policy.all_of].toSorted().join("+");
}

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  return new PolicyAuthenticator(options);
}

/**
 * The response to a request that was not let in.
 * @param isStrict answer malformed signed messages with 500, as CCF does, instead of 400
 */
export function refusalToResponse(
  authentication: Exclude<Authentication, { kind: "caller" }>,
  isStrict = false,
): AppResponse {
  if (authentication.kind === "malformed") {
    return isStrict
      ? rpcErrorResponse(500, "InternalError", authentication.reason)
      : rpcErrorResponse(400, "InvalidInput", authentication.reason);
  }
  const { failures, challenge } = authentication;
  const message = "Invalid authentication credentials.";
  const response = rpcErrorResponse(401, "InvalidAuthenticationInfo", message, failures);
  if (challenge === undefined) return response;
  return { ...response, headers: { ...response.headers, "www-authenticate": challenge } };
}
