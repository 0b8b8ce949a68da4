/** Strings with a unit, as CCF writes them: `10ms`, `1s`, `30min`, `5MB`. */

/** Milliseconds of a time string; a bare number counts microseconds. NaN when it is not one. */
export function timeToMs(text: string): number {
  return convert(text, timeUnits) / 1000;
}

/** Octets of a size string; units are powers of 1024, in any case. NaN when it is not one. */
export function sizeToBytes(text: string): number {
  return convert(text, sizeUnits);
}

const timeUnits: Readonly<Record<string, number>> = {
  "": 1,
  us: 1,
  ms: 1e3,
  s: 1e6,
  min: 60e6,
  h: 3600e6,
};

const sizeUnits: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1024,
  mb: 1024 ** 2,
  gb: 1024 ** 3,
  tb: 1024 ** 4,
  pb: 1024 ** 5,
};

function convert(text: string, units: Readonly<Record<string, number>>): number {
  const match = /^(\d{1,15})([A-Za-z]{0,3})$/.exec(text);
  const unit = match?.[2]?.toLowerCase() ?? "?";
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  return factor === undefined ? Number.NaN : Number(match?.[1]) * factor;
}
