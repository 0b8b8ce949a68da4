/** Certificates that a proposal can ask for: of nodes and of the service. */
import type { Crypto } from "@coco/base";
import type { SigningKey } from "@coco/base/node";
import { nodeErrors } from "./errors.ts";
import { createServiceCertificate, endorseNode } from "./identities.ts";

export interface ServiceIdentityKeys {
  readonly key: SigningKey;
  readonly subject: string;
  /** PEM, as it is now. */
  readonly certificate: () => string;
}

const compactTime = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;

/**
 * Reads the start of a validity period: `YYMMDDhhmmssZ` and `YYYYMMDDhhmmssZ` as in ASN.1, or ISO
 * 8601 with or without zone (UTC).
 * @throws {CocoError} BadValidity
 */
function validFromToMs(text: string): number {
  const match = compactTime.exec(text);
  let iso = text.trim().replace(" ", "T");
  if (match !== null) {
    const [, year, month, day, hour, minute, second] = match;
    const century = year!.length === 4 ? "" : Number(year) < 50 ? "20" : "19";
    iso = `${century}${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
  } else if (/T[\d:.]+$/.test(iso)) {
    iso += "Z";
  }
  const ms = Date.parse(iso);
  if (!Number.isFinite(ms)) throw nodeErrors.create("BadValidity", `start ${text.slice(0, 40)}`);
  return Math.floor(ms / 1000) * 1000;
}

export class CertificateServices {
  readonly #crypto: Crypto;
  readonly #service: ServiceIdentityKeys;

  constructor(crypto: Crypto, service: ServiceIdentityKeys) {
    this.#crypto = crypto;
    this.#service = service;
  }

  /** @returns PEM. @throws {CocoError} BadValidity, BadCertificate */
  generateEndorsedCertificate(request: string, validFrom: string, validityDays: number): string {
    return endorseNode(
      this.#crypto,
      request,
      { key: this.#service.key, certificate: this.#service.certificate() },
      toValidity(validFrom, validityDays),
    );
  }

  /**
   * The service certificate again, with the same key.
   * @returns PEM
   * @throws {CocoError} BadValidity
   */
  generateNetworkCertificate(validFrom: string, validityDays: number): string {
    const { key, subject } = this.#service;
    return createServiceCertificate(
      this.#crypto,
      key,
      subject,
      toValidity(validFrom, validityDays),
    );
  }
}

function toValidity(validFrom: string, validityDays: number) {
  if (!Number.isSafeInteger(validityDays) || validityDays < 1 || validityDays > 36_500) {
    throw nodeErrors.create("BadValidity", `${validityDays} days`);
  }
  return { notBeforeMs: validFromToMs(validFrom), validityDays };
}
