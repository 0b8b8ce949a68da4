/** Certificates and revocation lists with any extensions, for tests of verifiers. */
import {
  concatBytes,
  derBitString,
  derBoolean,
  derContextTag,
  derElement,
  derInteger,
  derObjectIdentifier,
  derOctetString,
  derSequence,
  derTag,
  derTime,
  ecdsaRawToDer,
  nameToDer,
  type Signer,
} from "@coco/base";
import { generateSigningKey } from "@coco/base/node";

const algorithms = { ES256: "1.2.840.10045.4.3.2", ES384: "1.2.840.10045.4.3.3" };

export interface Party {
  readonly subject: string;
  readonly key: Signer;
  readonly der: Uint8Array;
}

export interface IssueOptions {
  readonly subject: string;
  readonly issuer?: Party;
  readonly isAuthority?: boolean;
  readonly curve?: "secp256r1" | "secp384r1";
  readonly serial?: number;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  /** Object identifier to DER. */
  readonly extensions?: Readonly<Record<string, Uint8Array>>;
}

function signStructure(body: Uint8Array, signer: Signer): Uint8Array {
  const identifier = algorithms[signer.algorithm as keyof typeof algorithms];
  const algorithm = derSequence(derObjectIdentifier(identifier));
  return derSequence(body, algorithm, derBitString(ecdsaRawToDer(signer.sign(body))));
}

export function issue(options: IssueOptions): Party {
  const { subject, issuer, isAuthority = false, serial = 7, extensions = {} } = options;
  const key = generateSigningKey(options.curve ?? "secp384r1");
  const signer = issuer?.key ?? key;
  const identifier = algorithms[signer.algorithm as keyof typeof algorithms];
  const constraints = isAuthority ? derSequence(derBoolean(true)) : derSequence();
  const all = { "2.5.29.19": constraints, ...extensions };
  const items = Object.entries(all).map(([name, value]) =>
    derSequence(derObjectIdentifier(name), derOctetString(value)),
  );
  const notBeforeMs = options.notBeforeMs ?? Date.parse("2024-01-01");
  const notAfterMs = options.notAfterMs ?? Date.parse("2034-01-01");
  const body = derSequence(
    derElement(derContextTag(0), derInteger(2)),
    derInteger(serial),
    derSequence(derObjectIdentifier(identifier)),
    nameToDer(issuer?.subject ?? subject),
    derSequence(derTime(notBeforeMs), derTime(notAfterMs)),
    nameToDer(subject),
    key.publicKey,
    derElement(derContextTag(3), derSequence(...items)),
  );
  return { subject, key, der: signStructure(body, signer) };
}

export function issueCrl(
  issuer: Party,
  serials: readonly number[],
  thisUpdate = "2024-01-01",
  nextUpdate = "2034-01-01",
): Uint8Array {
  const identifier = algorithms[issuer.key.algorithm as keyof typeof algorithms];
  const revoked = serials.map((serial) =>
    derSequence(derInteger(serial), derTime(Date.parse("2024-01-01"))),
  );
  const body = derSequence(
    derInteger(1),
    derSequence(derObjectIdentifier(identifier)),
    nameToDer(issuer.subject),
    derTime(Date.parse(thisUpdate)),
    derTime(Date.parse(nextUpdate)),
    ...(revoked.length === 0 ? [] : [derSequence(...revoked)]),
  );
  return signStructure(body, issuer.key);
}

export function derText(text: string, tag: number = derTag.ia5String): Uint8Array {
  return derElement(
    tag,
    Uint8Array.from(text, (letter) => letter.charCodeAt(0)),
  );
}

export function join(...parties: readonly Party[]): Uint8Array {
  return concatBytes(...parties.map(({ der }) => der));
}

/** A copy with the bits of `mask` flipped in one byte. */
export function flip(bytes: Uint8Array, at: number, mask = 1): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at]! ^= mask;
  return copy;
}
