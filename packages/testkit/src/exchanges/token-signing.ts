/** Recorded bearer tokens, signed again by a key of ours for our time. */
import { createPublicKey, generateKeyPairSync, type JsonWebKey, sign, verify } from "node:crypto";

export interface TokenSigner {
  /** Modulus that stands for the recorded issuer's in the signing keys. */
  readonly modulus: string;
  /** A header value: tokens that the recorded key did not sign stay as they are. */
  signAgain(authorization: string, secondsLater: number): string;
}

/** @param recordedModulus base64url, of the RSA key with exponent 65537 */
export function createTokenSigner(recordedModulus: string): TokenSigner {
  const recordedKey = createPublicKey({
    key: { kty: "RSA", n: recordedModulus, e: "AQAB" },
    format: "jwk",
  });
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const { n: modulus } = publicKey.export({ format: "jwk" }) as JsonWebKey & { n: string };
  return {
    modulus,
    signAgain: (authorization, secondsLater) => {
      const [header, payload, signature] = authorization.replace(/^Bearer /, "").split(".");
      if (header === undefined || payload === undefined || signature === undefined) {
        return authorization;
      }
      const signed = Buffer.from(`${header}.${payload}`);
      const bytes = Buffer.from(signature, "base64url");
      if (!verify("sha256", signed, recordedKey, bytes)) return authorization;
      const later = shiftTimes(payload, secondsLater);
      const again = sign("sha256", Buffer.from(`${header}.${later}`), privateKey);
      return `Bearer ${header}.${later}.${again.toString("base64url")}`;
    },
  };
}

function shiftTimes(payload: string, secondsLater: number): string {
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<
    string,
    unknown
  >;
  for (const name of ["nbf", "exp", "iat"]) {
    const time = claims[name];
    if (typeof time === "number") claims[name] = time + secondsLater;
  }
  return Buffer.from(JSON.stringify(claims)).toString("base64url");
}
