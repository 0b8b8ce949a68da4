/** The part of `ccf` that constitutions share with applications, small, for tests. */
import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import { bytesToUtf8, pemToBlocks, utf8ToBytes } from "@coco/base";
import type { Transaction } from "@coco/store";
import type { CreateCommonGlobals } from "./host-api.ts";

function toBuffer(bytes: Uint8Array): ArrayBuffer {
  return bytes.slice().buffer as ArrayBuffer;
}

function createMap(current: () => Transaction, name: string) {
  const table = () => current().table(name);
  return {
    has: (key: ArrayBuffer) => table().has(new Uint8Array(key)),
    get: (key: ArrayBuffer) => {
      const value = table().get(new Uint8Array(key));
      return value === undefined ? undefined : toBuffer(value);
    },
    set: (key: ArrayBuffer, value: unknown) => {
      if (!(value instanceof ArrayBuffer)) throw new TypeError("value is not an ArrayBuffer");
      table().set(new Uint8Array(key), new Uint8Array(value));
    },
    delete: (key: ArrayBuffer) => table().delete(new Uint8Array(key)),
    clear: () => table().clear(),
    forEach: (visit: (value: ArrayBuffer, key: ArrayBuffer) => void) =>
      table().forEach((value, key) => visit(toBuffer(value), toBuffer(key))),
    get size() {
      return table().size;
    },
  };
}

function isCertificateBundle(pem: string): boolean {
  try {
    for (const { der } of pemToBlocks(pem)) new X509Certificate(der);
    return true;
  } catch {
    return false;
  }
}

export const commonGlobals: CreateCommonGlobals = (current) => ({
  ccf: {
    kv: new Proxy({}, { get: (_, name) => createMap(current, String(name)) }),
    strToBuf: (text: string) => toBuffer(utf8ToBytes(text)),
    bufToStr: (buffer: ArrayBuffer) => bytesToUtf8(new Uint8Array(buffer)),
    jsonCompatibleToBuf: (value: unknown) => toBuffer(utf8ToBytes(JSON.stringify(value))),
    bufToJsonCompatible: (buffer: ArrayBuffer) => JSON.parse(bytesToUtf8(new Uint8Array(buffer))),
    pemToId: (pem: string) =>
      createHash("sha256").update(new X509Certificate(pem).raw).digest("hex"),
    tcbHexToPolicy: (_cpuid: string, hexstring: string) => ({
      hexstring,
      boot_loader: Number.parseInt(hexstring.slice(-2), 16),
    }),
    crypto: {
      isValidX509CertBundle: isCertificateBundle,
      digest: (_name: string, data: ArrayBuffer) =>
        toBuffer(createHash("sha256").update(new Uint8Array(data)).digest()),
      pubRsaPemToJwk: (pem: string) => {
        const jwk = createPublicKey(pem).export({ format: "jwk" });
        if (jwk.kty !== "RSA") throw new Error("not an RSA key");
        return jwk;
      },
    },
  },
});
