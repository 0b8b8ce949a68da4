/** jwt: a bearer token signed by a key of a governed issuer. */
import { base64ToBytes, isCocoError, type Verifier } from "@coco/base";
import { jsonCodec, textCodec } from "@coco/store";
import type { Caller } from "../application.ts";
import { deepFreeze } from "../frozen-json.ts";
import type { JwtSigningKey } from "../jwt/signing-keys.ts";
import { LruCache } from "../lru-cache.ts";
import { tableNames } from "../table-names.ts";
import { isIssuerAllowed } from "./jwt-issuer.ts";
import { authorizationToToken, type JwtToken, parseJwt } from "./jwt-token.ts";
import { type PolicyCheck, type PolicyInput, type PolicyResult, refused } from "./policy.ts";

const tokenCountMax = 2048;
const keyCountMax = 512;
/** Longer tokens are verified each time, so that the cache stays small. */
const cachedTokenLengthMax = 8192;

/** A token whose signature and issuer are good for the keys in `keysText`. */
interface VerifiedToken {
  readonly keysText: string;
  readonly token: JwtToken;
  readonly caller: Caller;
}

const keysCodec = jsonCodec<readonly JwtSigningKey[]>();

function checkTime(token: JwtToken, nowMs: number): string | undefined {
  const nowSeconds = Math.floor(nowMs / 1000);
  if (token.nbf !== undefined && nowSeconds < token.nbf) {
    return `Current time ${nowSeconds} is before token's Not Before (nbf) claim ${token.nbf}`;
  }
  if (nowSeconds > token.exp) {
    return `Current time ${nowSeconds} is after token's Expiration Time (exp) claim ${token.exp}`;
  }
  return undefined;
}

class JwtPolicy {
  readonly #verifier: Verifier;
  readonly #verified = new LruCache<string, VerifiedToken>(tokenCountMax);
  readonly #keys = new LruCache<string, readonly JwtSigningKey[]>(keyCountMax);

  constructor(verifier: Verifier) {
    this.#verifier = verifier;
  }

  check({ request, transaction, nowMs }: PolicyInput): PolicyResult {
    const found = authorizationToToken(request.headers.get("authorization"));
    if (typeof found === "string") return refused(found);
    const keysTable = transaction.table(tableNames.jwtSigningKeys);
    const known = this.#verified.get(found.token);
    if (known !== undefined) {
      const keysText = keysTable.getText(textCodec.encode(known.token.kid));
      if (keysText === known.keysText) {
        const reason = checkTime(known.token, nowMs);
        return reason === undefined ? { ok: true, caller: known.caller } : refused(reason);
      }
      this.#verified.delete(found.token);
    }
    const token = parseJwt(found.token);
    if (typeof token === "string") return refused(token);
    const keysText = keysTable.getText(textCodec.encode(token.kid));
    const keys = keysText === undefined ? [] : this.#readKeys(keysText);
    if (keysText === undefined || keys.length === 0) {
      return refused(`JWT signing key not found for kid ${token.kid}`);
    }
    return this.#verify(found.token, token, keysText, keys, nowMs);
  }

  #readKeys(keysText: string): readonly JwtSigningKey[] {
    let keys = this.#keys.get(keysText);
    if (keys === undefined) {
      keys = keysCodec.decode(keysText);
      this.#keys.set(keysText, keys);
    }
    return keys;
  }

  /** Tries every key with this kid, because issuers may share a kid; the last reason is told. */
  #verify(
    text: string,
    token: JwtToken,
    keysText: string,
    keys: readonly JwtSigningKey[],
    nowMs: number,
  ): PolicyResult {
    let reason = "";
    for (const key of keys) {
      if (!this.#isSignedBy(token, key)) {
        reason = "Signature verification failed";
        continue;
      }
      const timeReason = checkTime(token, nowMs);
      if (timeReason !== undefined) {
        reason = timeReason;
        continue;
      }
      const { constraint } = key;
      const isLimited = constraint !== undefined && constraint !== null;
      if (isLimited && !isIssuerAllowed(token.iss, token.tid, constraint)) {
        reason = `Kid ${token.kid} failed issuer constraint validation ${constraint}`;
        continue;
      }
      const { header, payload } = token;
      const jwt = deepFreeze({ keyIssuer: key.issuer, header, payload });
      const caller: Caller = Object.freeze({ policy: "jwt", jwt });
      if (text.length <= cachedTokenLengthMax) {
        this.#verified.set(text, { keysText, token, caller });
      }
      return { ok: true, caller };
    }
    return refused(reason);
  }

  #isSignedBy(token: JwtToken, key: JwtSigningKey): boolean {
    try {
      const publicKey = base64ToBytes(key.public_key);
      const { algorithm, signedBytes, signature } = token;
      return this.#verifier.verify(algorithm, publicKey, signedBytes, signature);
    } catch (error) {
      // A stored key that cannot be used speaks for nobody.
      if (isCocoError(error)) return false;
      throw error;
    }
  }
}

export function createJwtPolicy(verifier: Verifier): PolicyCheck {
  const policy = new JwtPolicy(verifier);
  return (input) => policy.check(input);
}
