/**
 * Kernels before configfs-tsm give SNP reports only by ioctl on /dev/sev-guest (or /dev/sev in old
 * utility VMs). Node has no ioctl, so the device is recognised in order to say what is missing.
 */
import type { Evidence, TeePlatform } from "@coco/tee";
import { attestationErrors } from "./errors.ts";
import type { EvidenceProvider } from "./evidence-provider.ts";
import type { AttestationPorts } from "./ports.ts";

const devices = ["/dev/sev-guest", "/dev/sev"];

export class SevGuestProvider implements EvidenceProvider {
  readonly name = "sev-guest";
  readonly #ports: AttestationPorts;

  constructor(ports: AttestationPorts) {
    this.#ports = ports;
  }

  async detect(): Promise<TeePlatform | undefined> {
    return (await this.#findDevice()) === undefined ? undefined : "snp";
  }

  async collect(): Promise<Evidence> {
    const device = await this.#findDevice();
    throw attestationErrors.create("KernelTooOld", device ?? devices[0]);
  }

  async #findDevice(): Promise<string | undefined> {
    for (const device of devices) if (await this.#ports.files.exists(device)) return device;
    return undefined;
  }
}
