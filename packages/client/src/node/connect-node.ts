/** The SDK in Node: pinned TLS, client certificate, node:crypto. */
import { setTimeout as sleep } from "node:timers/promises";
import { bytesToHex, type Hash, pemToDer } from "@coco/base";
import { createNodeCrypto, pemToSigningKey } from "@coco/base/node";
import { type Connection, connect, type MemberSigner } from "../index.ts";
import { createHttpsTransport, type HttpsTransportOptions } from "./https-transport.ts";

export interface NodeConnectOptions extends HttpsTransportOptions {
  /** Signs governance messages; by default the TLS identity does. */
  readonly member?: MemberSigner;
}

/** Opens a connection; `identity` serves as user certificate and as member key. */
export function connectNode(options: NodeConnectOptions): Connection {
  const crypto = createNodeCrypto();
  const { identity } = options;
  const member =
    options.member ?? (identity && pemToMemberSigner(crypto, identity.certificate, identity.key));
  return connect({
    transport: createHttpsTransport(options),
    serviceCertificate: options.serviceCertificate,
    crypto,
    ...(member && { member }),
    nowMs: () => Date.now(),
    sleep: async (durationMs) => {
      await sleep(durationMs);
    },
  });
}

/** @throws {CocoError} NotPem, BadKey */
export function pemToMemberSigner(hash: Hash, certificate: string, key: string): MemberSigner {
  return { memberId: bytesToHex(hash.sha256(pemToDer(certificate))), signer: pemToSigningKey(key) };
}
