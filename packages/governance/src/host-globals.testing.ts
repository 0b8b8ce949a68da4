/** The globals of the runtime, over only those algorithms that constitutions use. */
import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import { pemToBlocks } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import { type AppCrypto, createGovernanceGlobals } from "@coco/runtime";

function isCertificateBundle(pem: string): boolean {
  try {
    for (const { der } of pemToBlocks(pem)) new X509Certificate(der);
    return true;
  } catch {
    return false;
  }
}

const appCrypto: AppCrypto = {
  ...({} as AppCrypto),
  digest: (name, data) =>
    new Uint8Array(createHash(name.replace("-", "").toLowerCase()).update(data).digest()),
  isValidX509CertBundle: isCertificateBundle,
  certificateToDer: (pem) => new Uint8Array(new X509Certificate(pem).raw),
  pemToJwk: (_kind, pem) => {
    const { kty = "", n = "", e = "" } = createPublicKey(pem).export({ format: "jwk" });
    if (kty !== "RSA") throw new Error("not an RSA key");
    return { kty, n, e };
  },
};

export const commonGlobals = createGovernanceGlobals({
  crypto: appCrypto,
  hash: createNodeCrypto(),
  nowMs: () => 1_795_169_000_000,
  console: () => undefined,
});
