/** Providers and sources as the configuration asks for them. */
import type { TeePlatform } from "@coco/tee";
import type { NodeConfiguration } from "../config/configuration.ts";
import { AciSidecarProvider } from "./aci-provider.ts";
import {
  AmdKdsSource,
  AzureCacheSource,
  findSecurityContext,
  readSecurityContext,
  type SecurityContext,
  SecurityContextSource,
  ThimSource,
} from "./amd-sources.ts";
import { AzureVtpmProvider } from "./azure-provider.ts";
import { BundleSource } from "./bundle-source.ts";
import { type CollectedEvidence, collectEvidence } from "./collect-evidence.ts";
import { ConfigfsProvider } from "./configfs-provider.ts";
import { CachedSource, type EndorsementSource, withRetries } from "./endorsement-source.ts";
import type { EvidenceProvider, EvidenceRequest } from "./evidence-provider.ts";
import { GramineProvider } from "./gramine-provider.ts";
import { IntelPcsSource, intelPcsAddress, intelRootCrlUrl } from "./intel-source.ts";
import { createAttestationPorts } from "./node-ports.ts";
import type { AttestationPorts } from "./ports.ts";
import { SevGuestProvider } from "./sev-guest-provider.ts";
import { VirtualProvider } from "./virtual-provider.ts";
import { WindowsVsmProvider } from "./vsm-provider.ts";

export interface AttestationOptions {
  /** Absent: the first platform that is found. */
  readonly platform?: TeePlatform;
  readonly configuration?: Partial<NodeConfiguration["attestation"]>;
  /** Directory of endorsements that an operator put there. */
  readonly bundleDirectory?: string;
  /** Intel's service or a cache of it; a cache serves the root's list too. */
  readonly intelAddress?: string;
  readonly sidecarAddress?: string;
  /** Program that hosts a signed VBS enclave. */
  readonly vsmHelper?: string;
  /** For the verification of one's own evidence, such as `tpm_roots` (VSM). */
  readonly collateral?: ReadonlyMap<string, Uint8Array>;
  /** For `virtual`: 32 bytes, SHA-256 of the program. */
  readonly hostData?: Uint8Array;
  readonly ports?: AttestationPorts;
}

/** Keeps a cache of endorsements between calls. */
export interface Attestation {
  collect(request: EvidenceRequest): Promise<CollectedEvidence>;
}

type Server = NodeConfiguration["attestation"]["snpEndorsementsServers"][number];

const retriesCount = 3;
const instanceMetadata = "http://169.254.169.254";

const platformNames: Readonly<Record<NodeConfiguration["attestation"]["platform"], TeePlatform>> = {
  Virtual: "virtual",
  SNP: "snp",
  SGX: "sgx",
  TDX: "tdx",
};

/** The providers in the order in which they are tried: the nearest to the processor first. */
export function createProviders(
  ports: AttestationPorts,
  options: AttestationOptions,
): EvidenceProvider[] {
  return [
    new GramineProvider(ports),
    new ConfigfsProvider(ports),
    new AzureVtpmProvider(ports),
    new AciSidecarProvider(ports, options.sidecarAddress),
    new SevGuestProvider(ports),
    new WindowsVsmProvider(ports, options.vsmHelper),
    new VirtualProvider(options.hostData),
  ];
}

function withScheme(url: string, scheme: "http" | "https", ports: AttestationPorts): string {
  // Azure documents the host's address as a variable of the container.
  const filled = url.replace(/\$([A-Za-z_]+)/g, (all, name: string) =>
    String(ports.environment[name] ?? all),
  );
  return (/^https?:\/\//.test(filled) ? filled : `${scheme}://${filled}`).replace(/\/+$/, "");
}

function createServerSource(server: Server, ports: AttestationPorts): EndorsementSource {
  const { clock, delay } = ports;
  const http = withRetries(ports.http, { attemptsMax: server.retriesCountMax + 1, delay });
  const address = withScheme(server.url, server.type === "THIM" ? "http" : "https", ports);
  const options = { address, http, clock };
  if (server.type === "THIM") return new ThimSource(options);
  return server.type === "AMD" ? new AmdKdsSource(options) : new AzureCacheSource(options);
}

/** Servers of the configuration, or those that every machine of the cloud can reach. */
function listServers(options: AttestationOptions, ports: AttestationPorts): readonly Server[] {
  const configured = options.configuration?.snpEndorsementsServers ?? [];
  if (configured.length > 0) return configured;
  const host = ports.environment["Fabric_NodeIPOrFQDN"];
  const thim = host === undefined ? instanceMetadata : `http://${host}:2377`;
  return [
    { type: "THIM", url: thim, retriesCountMax: 0 },
    { type: "Azure", url: "global.acccache.azure.net", retriesCountMax: retriesCount },
    { type: "AMD", url: "kdsintf.amd.com", retriesCountMax: retriesCount },
  ];
}

function createIntelSource(options: AttestationOptions, ports: AttestationPorts): IntelPcsSource {
  const { clock, delay } = ports;
  const http = withRetries(ports.http, { attemptsMax: retriesCount + 1, delay });
  const address = options.intelAddress?.replace(/\/+$/, "") ?? intelPcsAddress;
  const isCache = address !== intelPcsAddress;
  const rootCrlUrl = isCache ? `${address}/sgx/certification/v4/rootcacrl` : intelRootCrlUrl;
  return new IntelPcsSource({ address, rootCrlUrl, http, clock });
}

/** Local sources first, then the network; each answer is remembered until it expires. */
export function createSources(
  ports: AttestationPorts,
  options: AttestationOptions,
): EndorsementSource[] {
  const { files, clock } = ports;
  const directory = options.bundleDirectory;
  const local = directory === undefined ? [] : [new BundleSource({ directory, files, clock })];
  const remote = [
    ...listServers(options, ports).map((server) => createServerSource(server, ports)),
    createIntelSource(options, ports),
  ];
  return [...local, ...remote.map((source) => new CachedSource(source, clock))];
}

/** Files of the configuration, else the directory that the utility VM mounted. */
async function readContext(
  ports: AttestationPorts,
  configuration: AttestationOptions["configuration"],
): Promise<SecurityContext> {
  const found = await findSecurityContext(ports.files, ports.environment);
  return readSecurityContext(ports.files, {
    hostCertificates: configuration?.snpEndorsementsFile ?? found.hostCertificates,
    uvmEndorsements: configuration?.snpUvmEndorsementsFile ?? found.uvmEndorsements,
    securityPolicy: configuration?.snpSecurityPolicyFile ?? found.securityPolicy,
  });
}

/** Sets up what is needed to collect evidence, now and whenever it is asked for again. */
export function createAttestation(options: AttestationOptions = {}): Attestation {
  const ports = options.ports ?? createAttestationPorts();
  const providers = createProviders(ports, options);
  const sources = createSources(ports, options);
  const configured = options.configuration?.platform;
  const platform =
    options.platform ?? (configured === undefined ? undefined : platformNames[configured]);
  return {
    async collect(request) {
      const isContextNeeded = platform === undefined || platform === "snp";
      // Read each time: the host replaces the files when its firmware is updated.
      const context = isContextNeeded ? await readContext(ports, options.configuration) : {};
      return collectEvidence({
        ...request,
        ...(platform === undefined ? {} : { platform }),
        providers,
        sources: [new SecurityContextSource(context, ports.clock), ...sources],
        securityContext: context,
        ...(options.collateral === undefined ? {} : { collateral: options.collateral }),
        ports,
      });
    },
  };
}
