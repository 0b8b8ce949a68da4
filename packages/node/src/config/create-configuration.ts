/** Turns checked JSON into a NodeConfiguration; finds what a schema cannot say. */
import type { ConfigurationProblem } from "./check-schema.ts";
import type {
  CommandConfiguration,
  HealingIdentity,
  HostAndPort,
  NodeConfiguration,
  Redirection,
  RpcInterfaceConfiguration,
} from "./configuration.ts";
import { sizeToBytes, timeToMs } from "./units.ts";

/** @param json checked against the schema, defaults filled in */
export function createConfiguration(json: Readonly<Record<string, unknown>>): {
  readonly configuration: NodeConfiguration;
  readonly problems: readonly ConfigurationProblem[];
} {
  const problems: ConfigurationProblem[] = [];
  const root = new Reader(json, "", problems);
  const network = root.section("network");
  const configuration: NodeConfiguration = {
    network: {
      nodeToNodeInterface: networkAddress(network.section("node_to_node_interface")),
      rpcInterfaces: network
        .sections("rpc_interfaces")
        .map(([name, face]) => rpcInterface(name, face)),
    },
    command: command(root.section("command")),
    nodeCertificate: nodeCertificate(root.section("node_certificate")),
    nodeDataJsonFile: root.optionalText("node_data_json_file"),
    serviceDataJsonFile: root.optionalText("service_data_json_file"),
    attestation: attestation(root.section("attestation")),
    ...storage(root),
    ...timing(root),
    front: front(root.section("front")),
    execution: {
      handlerTimeoutMs: root.section("execution").timeMs("handler_timeout"),
      memorySizeBytes: root.section("execution").sizeBytes("memory"),
    },
    outputFiles: outputFiles(root.section("output_files")),
    ...remaining(root),
  };
  checkAddresses(configuration, problems);
  return { configuration, problems };
}

/** `host:port`, `[v6]:port` or `host`; undefined when it is none of them. */
function parseAddress(text: string): HostAndPort | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:[\]/]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? "0");
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

function networkAddress(reader: Reader) {
  const text = reader.text("bind_address");
  const address = parseAddress(text);
  if (address === undefined) reader.report("bind_address", `must be host:port, not "${text}"`);
  return {
    bindAddress: address ?? { host: "", port: 0 },
    publishedAddress: reader.optionalText("published_address") ?? text,
  };
}

function rpcInterface(name: string, reader: Reader): RpcInterfaceConfiguration {
  const http = reader.section("http_configuration");
  const soft = reader.integer("max_open_sessions_soft");
  const hard = reader.integer("max_open_sessions_hard");
  if (hard <= soft) {
    reader.report("max_open_sessions_hard", `must be above max_open_sessions_soft (${soft})`);
  }
  const redirections = reader.optionalSection("redirections");
  return {
    name,
    ...networkAddress(reader),
    openSessionsSoftMax: soft,
    openSessionsHardMax: hard,
    http: {
      bodySizeBytesMax: http.sizeBytes("max_body_size"),
      bodySizeText: http.text("max_body_size"),
      headerSizeBytesMax: http.sizeBytes("max_header_size"),
      headerSizeText: http.text("max_header_size"),
      headerCountMax: http.integer("max_headers_count"),
    },
    authority: reader.optionalSection("endorsement")?.oneOf("authority") ?? "Service",
    acceptedEndpoints: acceptedEndpoints(reader),
    forwardingTimeoutMs: reader.integer("forwarding_timeout_ms"),
    redirections: {
      toPrimary: redirection(redirections?.optionalSection("to_primary"), "primary"),
      toBackup: redirection(redirections?.optionalSection("to_backup"), "backup"),
    },
    enabledOperatorFeatures: reader.texts("enabled_operator_features"),
  };
}

function acceptedEndpoints(reader: Reader): readonly string[] | undefined {
  if (!reader.has("accepted_endpoints")) return undefined;
  const expressions = reader.texts("accepted_endpoints");
  expressions.forEach((expression, index) => {
    try {
      new RegExp(`^(?:${expression})$`);
    } catch {
      reader.report(`accepted_endpoints[${index}]`, "must be a regular expression");
    }
  });
  return expressions;
}

function redirection(
  reader: Reader | undefined,
  defaultRole: "primary" | "backup",
): Redirection | undefined {
  if (reader === undefined) return undefined;
  const target = reader.optionalSection("target");
  if (reader.text("kind") === "NodeByRole") {
    return { kind: "NodeByRole", role: target?.optionalOneOf("role") ?? defaultRole };
  }
  const address = target?.optionalText("address");
  if (address === undefined) reader.report("target.address", "is needed for StaticAddress");
  return { kind: "StaticAddress", address: address ?? "" };
}

function command(reader: Reader): CommandConfiguration {
  const serviceCertificateFile = reader.text("service_certificate_file");
  const type = reader.oneOf<"Start" | "Join" | "Recover">("type");
  const own = reader.optionalSection(type.toLowerCase());
  if (own === undefined) reader.report(type.toLowerCase(), `is needed when type is ${type}`);
  const section = own ?? reader.section(type.toLowerCase());
  if (type === "Start") return startCommand(section, serviceCertificateFile);
  if (type === "Join") {
    return {
      type,
      serviceCertificateFile,
      targetRpcAddress: section.text("target_rpc_address"),
      retryTimeoutMs: section.timeMs("retry_timeout"),
      followRedirect: section.flag("follow_redirect"),
      fetchRecentSnapshot: section.flag("fetch_recent_snapshot"),
      fetchSnapshotAttemptsMax: section.integer("fetch_snapshot_max_attempts"),
      fetchSnapshotRetryIntervalMs: section.timeMs("fetch_snapshot_retry_interval"),
      fetchSnapshotSizeBytesMax: section.sizeBytes("fetch_snapshot_max_size"),
    };
  }
  const healing = section.optionalSection("self_healing_open");
  const identity = healing?.optionalSection("identity");
  return {
    type,
    serviceCertificateFile,
    previousServiceIdentityFile: section.text("previous_service_identity_file"),
    initialServiceCertificateValidityDays: section.integer(
      "initial_service_certificate_validity_days",
    ),
    previousSealedLedgerSecretLocation: section.optionalText(
      "previous_sealed_ledger_secret_location",
    ),
    selfHealingOpen:
      healing === undefined || !healing.has("cluster_identities")
        ? undefined
        : {
            identity: identity === undefined ? undefined : healingIdentity(identity),
            clusterIdentities: healing.items("cluster_identities").map(healingIdentity),
            retryTimeoutMs: healing.timeMs("retry_timeout"),
            failoverTimeoutMs: healing.timeMs("failover_timeout"),
          },
  };
}

function healingIdentity(reader: Reader): HealingIdentity {
  return {
    intrinsicId: reader.optionalText("intrinsic_id"),
    publishedAddress: reader.optionalText("published_address"),
  };
}

function startCommand(reader: Reader, serviceCertificateFile: string): CommandConfiguration {
  const service = reader.optionalSection("service_configuration");
  const cose = reader.section("cose_signatures");
  return {
    type: "Start",
    serviceCertificateFile,
    constitutionFiles: reader.texts("constitution_files"),
    members: reader.items("members").map((member) => ({
      certificateFile: member.text("certificate_file"),
      encryptionPublicKeyFile: member.optionalText("encryption_public_key_file"),
      dataJsonFile: member.optionalText("data_json_file"),
      recoveryRole: member.optionalOneOf("recovery_role"),
    })),
    serviceConfiguration: {
      recoveryThreshold: service?.integer("recovery_threshold") ?? 0,
      nodeCertificateValidityDaysMax:
        service?.integer("maximum_node_certificate_validity_days") ?? 365,
      serviceCertificateValidityDaysMax:
        service?.integer("maximum_service_certificate_validity_days") ?? 365,
      recentCoseProposalsWindowSize: service?.integer("recent_cose_proposals_window_size") ?? 100,
    },
    initialServiceCertificateValidityDays: reader.integer(
      "initial_service_certificate_validity_days",
    ),
    serviceSubjectName: reader.text("service_subject_name"),
    coseSignatures: { issuer: cose.text("issuer"), subject: cose.text("subject") },
  };
}

function nodeCertificate(reader: Reader): NodeConfiguration["nodeCertificate"] {
  const names = reader.texts("subject_alt_names");
  names.forEach((name, index) => {
    if (!/^(iPAddress|dNSName):.+$/.test(name)) {
      const problem = `must begin with iPAddress: or dNSName:, not "${name}"`;
      reader.report(`subject_alt_names[${index}]`, problem);
    }
  });
  return {
    subjectName: reader.text("subject_name"),
    subjectAltNames: names,
    curve: reader.text("curve_id") === "Secp256R1" ? "P-256" : "P-384",
    initialValidityDays: reader.integer("initial_validity_days"),
  };
}

function attestation(reader: Reader): NodeConfiguration["attestation"] {
  return {
    platform: reader.oneOf("platform"),
    snpSecurityPolicyFile: reader.optionalText("snp_security_policy_file"),
    snpUvmEndorsementsFile: reader.optionalText("snp_uvm_endorsements_file"),
    snpEndorsementsFile: reader.optionalText("snp_endorsements_file"),
    snpEndorsementsServers: reader.items("snp_endorsements_servers").map((server) => ({
      type: server.oneOf("type"),
      url: server.text("url"),
      retriesCountMax: server.integer("max_retries_count"),
    })),
  };
}

function storage(root: Reader): Pick<NodeConfiguration, "ledger" | "snapshots" | "logging"> {
  const ledger = root.section("ledger");
  const snapshots = root.section("snapshots");
  const level = root.section("logging").text("host_level");
  return {
    ledger: {
      directory: ledger.text("directory"),
      readOnlyDirectories: ledger.texts("read_only_directories"),
      chunkSizeBytes: ledger.sizeBytes("chunk_size"),
      sync: ledger.oneOf("sync"),
    },
    snapshots: {
      directory: snapshots.text("directory"),
      txCount: snapshots.integer("tx_count"),
      readOnlyDirectory: snapshots.optionalText("read_only_directory"),
    },
    logging: { level: logLevels[level] ?? "info" },
  };
}

const logLevels: Readonly<Record<string, "debug" | "info" | "warn" | "error">> = {
  Trace: "debug",
  Debug: "debug",
  Info: "info",
  Fail: "warn",
  Fatal: "error",
};

function timing(root: Reader): Pick<NodeConfiguration, "consensus" | "ledgerSignatures" | "jwt"> {
  const consensus = root.section("consensus");
  const messageTimeoutMs = consensus.timeMs("message_timeout");
  const electionTimeoutMs = consensus.timeMs("election_timeout");
  if (electionTimeoutMs <= messageTimeoutMs) {
    consensus.report("election_timeout", "must be longer than consensus.message_timeout");
  }
  return {
    consensus: {
      messageTimeoutMs,
      electionTimeoutMs,
      uncommittedTxCountMax: consensus.integer("max_uncommitted_tx_count"),
    },
    ledgerSignatures: {
      txCount: root.section("ledger_signatures").integer("tx_count"),
      delayMs: root.section("ledger_signatures").timeMs("delay"),
    },
    jwt: { keyRefreshIntervalMs: root.section("jwt").timeMs("key_refresh_interval") },
  };
}

function front(reader: Reader): NodeConfiguration["front"] {
  return {
    workerCount: reader.integer("workers"),
    handshakeTimeoutMs: reader.timeMs("handshake_timeout"),
    headTimeoutMs: reader.timeMs("head_timeout"),
    bodyTimeoutMs: reader.timeMs("body_timeout"),
    inFlightCountMax: reader.integer("max_in_flight_requests"),
    inFlightSizeBytesMax: reader.sizeBytes("max_in_flight_size"),
    pipelineCountMax: reader.integer("max_pipelined_requests"),
  };
}

function outputFiles(reader: Reader): NodeConfiguration["outputFiles"] {
  return {
    nodeCertificateFile: reader.text("node_certificate_file"),
    pidFile: reader.text("pid_file"),
    nodeToNodeAddressFile: reader.optionalText("node_to_node_address_file"),
    rpcAddressesFile: reader.optionalText("rpc_addresses_file"),
    sealedLedgerSecretLocation: reader.optionalText("sealed_ledger_secret_location"),
  };
}

function remaining(root: Reader) {
  return {
    slowIoLoggingThresholdMs: root.timeMs("slow_io_logging_threshold"),
    nodeClientInterface: root.optionalText("node_client_interface"),
    clientConnectionTimeoutMs: root.timeMs("client_connection_timeout"),
    idleConnectionTimeoutMs:
      root.optionalText("idle_connection_timeout") === undefined
        ? undefined
        : root.timeMs("idle_connection_timeout"),
    ignoreFirstSigterm: root.flag("ignore_first_sigterm"),
    nodeToNodeMessageLimit: root.optionalInteger("node_to_node_message_limit"),
    historicalCacheSoftLimitBytes: root.sizeBytes("historical_cache_soft_limit"),
  };
}

function checkAddresses(configuration: NodeConfiguration, problems: ConfigurationProblem[]): void {
  const { rpcInterfaces } = configuration.network;
  if (rpcInterfaces.length === 0 || rpcInterfaces.length > interfaceCountMax) {
    const problem = `must have 1 to ${interfaceCountMax} interfaces`;
    problems.push({ path: "network.rpc_interfaces", problem });
  }
  const seen = new Map<string, string>();
  for (const { name, bindAddress } of rpcInterfaces) {
    const address = `${bindAddress.host}:${bindAddress.port}`;
    const other = seen.get(address);
    if (other !== undefined && bindAddress.port !== 0) {
      const path = `network.rpc_interfaces.${name}.bind_address`;
      problems.push({ path, problem: `is the address of "${other}" too` });
    }
    seen.set(address, name);
  }
}

const interfaceCountMax = 32;

/** Reads keys of one section whose types the schema has checked. */
class Reader {
  private readonly values: Readonly<Record<string, unknown>>;
  private readonly path: string;
  private readonly problems: ConfigurationProblem[];

  constructor(values: unknown, path: string, problems: ConfigurationProblem[]) {
    this.values = (values ?? {}) as Readonly<Record<string, unknown>>;
    this.path = path;
    this.problems = problems;
  }

  has(key: string): boolean {
    return this.values[key] !== undefined && this.values[key] !== null;
  }

  text(key: string): string {
    return (this.values[key] ?? "") as string;
  }

  optionalText(key: string): string | undefined {
    return this.has(key) ? this.text(key) : undefined;
  }

  /** A value that the schema's enum holds to `Name`. */
  oneOf<Name extends string>(key: string): Name {
    return this.values[key] as Name;
  }

  optionalOneOf<Name extends string>(key: string): Name | undefined {
    return this.has(key) ? this.oneOf<Name>(key) : undefined;
  }

  integer(key: string): number {
    return (this.values[key] ?? 0) as number;
  }

  optionalInteger(key: string): number | undefined {
    return this.has(key) ? this.integer(key) : undefined;
  }

  flag(key: string): boolean {
    return this.values[key] === true;
  }

  timeMs(key: string): number {
    return timeToMs(this.text(key));
  }

  sizeBytes(key: string): number {
    return sizeToBytes(this.text(key));
  }

  texts(key: string): readonly string[] {
    return (this.values[key] ?? []) as readonly string[];
  }

  section(key: string): Reader {
    return new Reader(this.values[key], this.pathOf(key), this.problems);
  }

  optionalSection(key: string): Reader | undefined {
    return this.has(key) ? this.section(key) : undefined;
  }

  sections(key: string): readonly (readonly [name: string, reader: Reader])[] {
    const values = (this.values[key] ?? {}) as Readonly<Record<string, unknown>>;
    return Object.entries(values).map(([name, value]) => [
      name,
      new Reader(value, `${this.pathOf(key)}.${name}`, this.problems),
    ]);
  }

  items(key: string): readonly Reader[] {
    const values = (this.values[key] ?? []) as readonly unknown[];
    return values.map(
      (value, index) => new Reader(value, `${this.pathOf(key)}[${index}]`, this.problems),
    );
  }

  report(key: string, problem: string): void {
    this.problems.push({ path: this.pathOf(key), problem });
  }

  private pathOf(key: string): string {
    return this.path === "" ? key : `${this.path}.${key}`;
  }
}
