/** Minimal X.509 certificates for tests: a name, a key, an issuer, nothing else. */
import { concatBytes, derToPem, utf8ToBytes } from "@coco/base";
import type { SigningKey } from "@coco/base/node";

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = concatBytes(...parts);
  const { length } = body;
  const size =
    length < 128
      ? [length]
      : length < 256
        ? [0x81, length]
        : [0x82, Math.floor(length / 256), length % 256];
  return concatBytes(Uint8Array.of(tag, ...size), body);
}

const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const objectId = (...bytes: readonly number[]) => der(0x06, Uint8Array.of(...bytes));
/** ecdsa-with-SHA256. */
const signatureAlgorithm = sequence(objectId(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));

function name(commonName: string): Uint8Array {
  const attribute = sequence(objectId(0x55, 0x04, 0x03), der(0x0c, utf8ToBytes(commonName)));
  return sequence(der(0x31, attribute));
}

/** @param options.validity two times, `YYMMDDhhmmssZ` */
export async function createCertificate(options: {
  readonly subject: string;
  readonly publicKey: Uint8Array;
  readonly issuer: string;
  readonly issuerKey: SigningKey;
  readonly isAuthority: boolean;
  readonly validity?: readonly [string, string];
}): Promise<string> {
  const [from, to] = options.validity ?? ["200101000000Z", "490101000000Z"];
  const authority = options.isAuthority ? [der(0x01, Uint8Array.of(0xff))] : [];
  const constraints = sequence(objectId(0x55, 0x1d, 0x13), der(0x04, sequence(...authority)));
  const body = sequence(
    der(0xa0, der(0x02, Uint8Array.of(2))),
    der(0x02, Uint8Array.of(1 + Math.floor(Math.random() * 100))),
    signatureAlgorithm,
    name(options.issuer),
    sequence(der(0x17, utf8ToBytes(from)), der(0x17, utf8ToBytes(to))),
    name(options.subject),
    options.publicKey,
    der(0xa3, sequence(constraints)),
  );
  const signature = await options.issuerKey.signSha256DerAsync(body);
  const certificate = sequence(
    body,
    signatureAlgorithm,
    der(0x03, concatBytes(Uint8Array.of(0), signature)),
  );
  return derToPem(certificate);
}
