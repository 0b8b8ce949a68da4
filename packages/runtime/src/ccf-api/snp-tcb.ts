/** TCB versions of AMD SEV-SNP processors as fields. @source AMD 56860 table 3 */
import { bytesToHex, hexToBytes } from "@coco/base";

/** Fields by position from the lowest byte; positions that are absent are reserved. */
const layouts = {
  milanGenoa: { boot_loader: 0, tee: 1, snp: 6, microcode: 7 },
  turin: { fmc: 0, boot_loader: 1, tee: 2, snp: 3, microcode: 7 },
} as const;

/** Family and model of the processors that have SEV-SNP. */
const products: readonly {
  readonly family: number;
  readonly model: number;
  readonly layout: Readonly<Record<string, number>>;
}[] = [
  { family: 0x19, model: 0x01, layout: layouts.milanGenoa },
  { family: 0x19, model: 0x11, layout: layouts.milanGenoa },
  { family: 0x1a, model: 0x02, layout: layouts.turin },
];

/** Family and model in CPUID Fn0000_0001_EAX. */
function familyAndModel(cpuid: Uint8Array): { readonly family: number; readonly model: number } {
  const word = new DataView(cpuid.buffer, cpuid.byteOffset, cpuid.length).getUint32(0);
  return {
    family: ((word >>> 8) & 0xf) + ((word >>> 20) & 0xff),
    model: (((word >>> 16) & 0xf) << 4) | ((word >>> 4) & 0xf),
  };
}

/**
 * Splits a TCB version into its fields.
 * @param cpuid 8 hexadecimal digits
 * @param tcb 16 hexadecimal digits, highest byte first
 */
export function tcbHexToPolicy(cpuid: string, tcb: string): Record<string, string | number> {
  const cpuidBytes = hexToBytes(cpuid);
  if (cpuidBytes.length !== 4) throw new Error("CPUID could not be parsed");
  const tcbBytes = hexToBytes(tcb);
  if (tcbBytes.length !== 8) throw new Error("TCB could not be parsed from hex_str");
  const { family, model } = familyAndModel(cpuidBytes);
  const product = products.find((known) => known.family === family && known.model === model);
  if (product === undefined) {
    throw new Error(`SEV-SNP: Unsupported CPUID family ${family} model ${model}`);
  }
  const policy: Record<string, string | number> = { hexstring: bytesToHex(tcbBytes) };
  for (const name of ["microcode", "snp", "tee", "boot_loader", "fmc"]) {
    const position = product.layout[name];
    if (position !== undefined) policy[name] = tcbBytes[7 - position]!;
  }
  return policy;
}
