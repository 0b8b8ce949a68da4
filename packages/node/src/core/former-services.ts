/**
 * The identities that a service had before its recoveries. Receipts from those days end in one of
 * them; the service as it is now endorses them, so that who trusts it can verify old receipts.
 */
import { type Crypto, createCertificate, parseCertificate } from "@coco/base";
import type { SigningKey } from "@coco/base/node";
import type { TxId } from "@coco/store";
import { createSerial } from "./identities.ts";
import type { RecordedIdentity } from "./ledger-history.ts";

export interface FormerServicesOptions {
  readonly crypto: Crypto;
  readonly serviceKey: SigningKey;
  /** PEM, as renewed last. */
  readonly serviceCertificate: () => string;
  /** Of all services of this ledger, in order. */
  readonly identities: readonly RecordedIdentity[];
}

export class FormerServices {
  readonly #options: FormerServicesOptions;
  /** By the former certificate; made anew when the certificate of the service is renewed. */
  readonly #endorsements = new Map<string, string>();
  #endorser = "";

  constructor(options: FormerServicesOptions) {
    this.#options = options;
  }

  /**
   * Certificates between that of a node and that of the service: none when the service issued it,
   * else one for the former service that did.
   * @returns PEM; nothing when no service of this ledger issued the certificate
   */
  endorsementsOf(nodeCertificate: string, txId: TxId): readonly string[] {
    const { crypto, identities, serviceCertificate } = this.#options;
    const node = crypto.parse(nodeCertificate);
    if (crypto.isIssuedBy(node, crypto.parse(serviceCertificate()))) return [];
    const former = identities.findLast(
      (identity) =>
        identity.txId.seqno <= txId.seqno &&
        crypto.isIssuedBy(node, crypto.parse(identity.certificate)),
    );
    return former === undefined ? [] : [this.#endorse(former.certificate)];
  }

  #endorse(certificate: string): string {
    const { crypto, serviceKey } = this.#options;
    const issuer = this.#options.serviceCertificate();
    if (issuer !== this.#endorser) this.#endorsements.clear();
    this.#endorser = issuer;
    const known = this.#endorsements.get(certificate);
    if (known !== undefined) return known;
    const former = parseCertificate(certificate);
    const { notBeforeMs, notAfterMs } = parseCertificate(issuer);
    const endorsement = createCertificate({
      subject: former.subjectName,
      issuer,
      publicKey: former.publicKey,
      signer: serviceKey,
      notBeforeMs,
      notAfterMs,
      // Certificates of nodes name the key of their issuer by it.
      subjectKeyId: former.subjectKeyId,
      serial: createSerial(crypto),
      isAuthority: true,
      hash: crypto,
    });
    this.#endorsements.set(certificate, endorsement);
    return endorsement;
  }
}
