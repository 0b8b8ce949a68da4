/** user_cert, member_cert and any_cert: who holds the key of the TLS session's certificate. */
import { isCocoError, parseCertificate } from "@coco/base";
import { jsonCodec, type Transaction, textCodec } from "@coco/store";
import type { Caller, SessionCertificate } from "../application.ts";
import { deepFreeze } from "../frozen-json.ts";
import { LruCache } from "../lru-cache.ts";
import { tableNames } from "../table-names.ts";
import { type PolicyCheck, type PolicyInput, type PolicyResult, refused } from "./policy.ts";

const cacheCountMax = 4096;

interface Validity {
  readonly notBeforeSeconds: number;
  readonly notAfterSeconds: number;
}

/** Reads validity periods; parsing a certificate costs far more than everything else here. */
class ValidityCache {
  readonly #validities = new LruCache<string, Validity>(cacheCountMax);

  /** Why the certificate may not be used now; undefined when it may. */
  check(certificate: SessionCertificate, nowMs: number): string | undefined {
    let validity = this.#validities.get(certificate.fingerprint);
    if (validity === undefined) {
      try {
        const { notBeforeMs, notAfterMs } = parseCertificate(certificate.der);
        validity = { notBeforeSeconds: notBeforeMs / 1000, notAfterSeconds: notAfterMs / 1000 };
      } catch (error) {
        if (!isCocoError(error)) throw error;
        return "Caller certificate cannot be read";
      }
      this.#validities.set(certificate.fingerprint, validity);
    }
    const nowSeconds = Math.floor(nowMs / 1000);
    const { notBeforeSeconds, notAfterSeconds } = validity;
    if (nowSeconds < notBeforeSeconds) {
      const limit = `certificate's Not Before validity period ${notBeforeSeconds}`;
      return `Current time ${nowSeconds} is before ${limit}`;
    }
    if (nowSeconds > notAfterSeconds) {
      const limit = `certificate's Not After validity period ${notAfterSeconds}`;
      return `Current time ${nowSeconds} is after ${limit}`;
    }
    return undefined;
  }
}

/** The tables and words of users, and those of members. */
export const identityKinds = {
  user: {
    certificates: tableNames.userCertificates,
    info: tableNames.userInfo,
    dataField: "user_data",
    policy: "user_cert",
  },
  member: {
    certificates: tableNames.memberCertificates,
    info: tableNames.memberInfo,
    dataField: "member_data",
    policy: "member_cert",
  },
} as const;

export type IdentityKind = (typeof identityKinds)[keyof typeof identityKinds];

const infoCodec = jsonCodec<Readonly<Record<string, unknown>>>();

/** The free data of a user or member; null when there is none. */
export function infoTextToData(kind: IdentityKind, text: string | undefined): unknown {
  if (text === undefined) return null;
  return deepFreeze(infoCodec.decode(text)[kind.dataField] ?? null);
}

interface KnownIdentity {
  readonly certificateText: string;
  readonly infoText: string | undefined;
  readonly caller: Caller;
}

/** The caller of each identity as the tables hold it now. */
class IdentityCache {
  readonly #known = new LruCache<string, KnownIdentity>(cacheCountMax);
  readonly #kind: IdentityKind;

  constructor(kind: IdentityKind) {
    this.#kind = kind;
  }

  find(transaction: Transaction, id: string): Caller | undefined {
    const certificateText = transaction.table(this.#kind.certificates).getText(id);
    if (certificateText === undefined) return undefined;
    const infoText = transaction.table(this.#kind.info).getText(id);
    const known = this.#known.get(id);
    if (known?.certificateText === certificateText && known.infoText === infoText) {
      return known.caller;
    }
    const caller: Caller = Object.freeze({
      policy: this.#kind.policy,
      id,
      data: infoTextToData(this.#kind, infoText),
      cert: textCodec.decode(certificateText),
    });
    this.#known.set(id, { certificateText, infoText, caller });
    return caller;
  }
}

function createKnownCertificatePolicy(
  word: "user" | "member",
  validities: ValidityCache | undefined,
): PolicyCheck {
  const identities = new IdentityCache(identityKinds[word]);
  return ({ request, transaction, nowMs }: PolicyInput): PolicyResult => {
    const { certificate } = request.session;
    if (certificate === undefined) return refused(`No caller ${word} certificate`);
    const reason = validities?.check(certificate, nowMs);
    if (reason !== undefined) return refused(reason);
    const caller = identities.find(transaction, certificate.fingerprint);
    if (caller === undefined) return refused(`Could not find matching ${word} certificate`);
    return { ok: true, caller };
  };
}

function createAnyCertificatePolicy(validities: ValidityCache): PolicyCheck {
  return ({ request, nowMs }) => {
    const { certificate } = request.session;
    if (certificate === undefined) return refused("No caller certificate");
    const reason = validities.check(certificate, nowMs);
    if (reason !== undefined) return refused(reason);
    const { fingerprint: id, pem: cert } = certificate;
    return { ok: true, caller: { policy: "any_cert", id, data: null, cert } };
  };
}

export function createCertificatePolicies(): Readonly<Record<string, PolicyCheck>> {
  const validities = new ValidityCache();
  return {
    user_cert: createKnownCertificatePolicy("user", validities),
    // As in CCF a member stays one until the members remove it, whatever its certificate says.
    member_cert: createKnownCertificatePolicy("member", undefined),
    any_cert: createAnyCertificatePolicy(validities),
  };
}
