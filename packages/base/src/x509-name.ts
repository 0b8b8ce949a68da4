/** Names in certificates: distinguished names and subject alternative names. */
import { latin1ToBytes } from "./bytes.ts";
import { baseErrors } from "./catalogue.ts";
import {
  DerReader,
  derContextTag,
  derElement,
  derElementToText,
  derObjectIdentifier,
  derSequence,
  derTag,
  derUtf8String,
} from "./der.ts";

/** Attribute types of a distinguished name. @source RFC 4519 section 2, RFC 5280 appendix A.1 */
const attributeTypes: Readonly<Record<string, string>> = {
  CN: "2.5.4.3",
  SERIALNUMBER: "2.5.4.5",
  C: "2.5.4.6",
  L: "2.5.4.7",
  ST: "2.5.4.8",
  O: "2.5.4.10",
  OU: "2.5.4.11",
  DC: "0.9.2342.19200300.100.1.25",
  emailAddress: "1.2.840.113549.1.9.1",
};
const attributeNames = new Map(Object.entries(attributeTypes).map(([name, id]) => [id, name]));
const printableTypes = new Set(["C", "SERIALNUMBER"]);
const ia5Types = new Set(["DC", "emailAddress"]);

/** A host name or an IP address for which a certificate is valid. */
export type SubjectAltName = { readonly dns: string } | { readonly ip: string };

/**
 * Encodes a name such as `CN=CCF Service` or `O=Contoso,CN=node 1`; a comma inside a value is
 * written `\,`.
 * @throws {CocoError} BadCertificate
 */
export function nameToDer(name: string): Uint8Array {
  const parts = name.split(/(?<!\\),/);
  return derSequence(
    ...parts.map((part) => {
      const [, type = "", text = ""] = /^\s*([A-Za-z]{1,16})=(.*)$/s.exec(part) ?? [];
      const identifier = attributeTypes[type];
      if (identifier === undefined || text === "") {
        throw baseErrors.create("BadCertificate", `the name part ${JSON.stringify(part)}`);
      }
      const value = text.replaceAll("\\,", ",");
      const tag = printableTypes.has(type)
        ? derTag.printableString
        : ia5Types.has(type)
          ? derTag.ia5String
          : undefined;
      const encoded =
        tag === undefined ? derUtf8String(value) : derElement(tag, latin1ToBytes(value));
      return derElement(derTag.set, derSequence(derObjectIdentifier(identifier), encoded));
    }),
  );
}

/** Inverse of `nameToDer`; unknown attribute types are shown as numbers. @throws BadDer */
export function derToName(der: Uint8Array): string {
  const reader = new DerReader(der).enter(derTag.sequence);
  const parts: string[] = [];
  while (!reader.isAtEnd) {
    const set = reader.enter(derTag.set);
    while (!set.isAtEnd) {
      const attribute = set.enter(derTag.sequence);
      const type = attribute.objectIdentifier();
      const text = derElementToText(attribute.element()).replaceAll(",", "\\,");
      attribute.end();
      parts.push(`${attributeNames.get(type) ?? type}=${text}`);
    }
  }
  return parts.join(",");
}

/** The octets of an IPv4 or IPv6 address. @throws {CocoError} BadCertificate */
export function ipToBytes(ip: string): Uint8Array {
  const bad = () => baseErrors.create("BadCertificate", `the IP address ${JSON.stringify(ip)}`);
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(ip)) {
    const octets = ip.split(".").map(Number);
    if (octets.some((octet) => octet > 255)) throw bad();
    return Uint8Array.from(octets);
  }
  const halves = ip.split("::");
  if (halves.length > 2 || ip.length > 39) throw bad();
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const [head = [], tail = []] = groups;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) throw bad();
  const all = [...head, ...Array.from({ length: missing }, () => "0"), ...tail];
  const bytes = new Uint8Array(16);
  for (const [index, group] of all.entries()) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) throw bad();
    const value = Number.parseInt(group, 16);
    bytes[2 * index] = value >> 8;
    bytes[2 * index + 1] = value & 0xff;
  }
  return bytes;
}

/** Text of 4 or 16 octets; IPv6 in full groups without leading zeros. */
function bytesToIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups: string[] = [];
  for (let index = 0; index < bytes.length; index += 2) {
    groups.push((bytes[index]! * 256 + (bytes[index + 1] ?? 0)).toString(16));
  }
  return groups.join(":");
}

/** GeneralNames: the value of the subjectAltName extension. @source RFC 5280 section 4.2.1.6 */
export function altNamesToDer(names: readonly SubjectAltName[]): Uint8Array {
  return derSequence(
    ...names.map((name) =>
      "dns" in name
        ? derElement(derContextTag(2, false), latin1ToBytes(name.dns))
        : derElement(derContextTag(7, false), ipToBytes(name.ip)),
    ),
  );
}

/** The DNS names and IP addresses among GeneralNames. @throws {CocoError} BadDer */
export function derToAltNames(der: Uint8Array): SubjectAltName[] {
  const outer = new DerReader(der);
  const reader = outer.enter(derTag.sequence);
  outer.end();
  const names: SubjectAltName[] = [];
  while (!reader.isAtEnd) {
    const { tag, content } = reader.element();
    if (tag === derContextTag(2, false))
      names.push({ dns: String.fromCharCode(...content.subarray(0, 255)) });
    if (tag === derContextTag(7, false)) names.push({ ip: bytesToIp(content.subarray(0, 32)) });
  }
  return names;
}

/**
 * Reads the form of CCF's configuration: `dNSName:example.com` or `iPAddress:127.0.0.1`; without a
 * kind, an address when it looks like one, else a DNS name.
 * @throws {CocoError} BadCertificate
 */
export function textToAltName(text: string): SubjectAltName {
  const [, kind, value = text] = /^(dNSName|iPAddress|DNS|IP):(.+)$/.exec(text) ?? [];
  const isAddress = kind === undefined ? /^[\d.]+$|:/.test(value) : /^i/i.test(kind);
  if (isAddress) {
    ipToBytes(value);
    return { ip: value };
  }
  if (!/^[A-Za-z0-9*._-]{1,253}$/.test(value)) {
    throw baseErrors.create("BadCertificate", `the DNS name ${JSON.stringify(value)}`);
  }
  return { dns: value };
}
