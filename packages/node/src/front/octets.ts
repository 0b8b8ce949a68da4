/** Classes of octets in HTTP/1.1 messages, as tables: one look-up per octet. */

export const tab = 0x09;
export const lineFeed = 0x0a;
export const carriageReturn = 0x0d;
export const space = 0x20;
export const quote = 0x22;
export const colon = 0x3a;
export const semicolon = 0x3b;
export const backslash = 0x5c;

/** 1 for octets of a token: header names, methods. @source RFC 9110 section 5.6.2 */
export const isToken = octetTable((code) =>
  /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code)),
);

/** 1 for octets of a field value: printable, tab and obs-text. @source RFC 9110 section 5.5 */
export const isFieldValue = octetTable(
  (code) => code === tab || (code >= space && code !== 0x7f && code <= 0xff),
);

/** 1 for octets of a request target: visible ASCII. */
export const isTarget = octetTable((code) => code > space && code < 0x7f);

/** Value of a hexadecimal digit; 255 for everything else. */
export const hexValue = Uint8Array.from({ length: 256 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? 255 : value;
});

/** True when `bytes[start, end)` spells `lowerCase` in any case. */
export function equalsIgnoreCase(
  bytes: Uint8Array,
  start: number,
  end: number,
  lowerCase: string,
): boolean {
  if (end - start !== lowerCase.length) return false;
  for (let index = 0; index < lowerCase.length; index += 1) {
    let code = bytes[start + index] as number;
    if (code >= 0x41 && code <= 0x5a) code += 0x20;
    if (code !== lowerCase.charCodeAt(index)) return false;
  }
  return true;
}

function octetTable(isMember: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (isMember(code) ? 1 : 0));
}
