/**
 * The configuration of a node as JSON Schema: the one source of the checks, the defaults and the
 * documentation. Names follow CCF's node configuration where it has them.
 */
import {
  type ConfigurationSchema,
  choice,
  flag,
  ignored,
  integer,
  list,
  optionalText,
  section,
  size,
  text,
  time,
} from "./schema-types.ts";

const addressForm = "as host:port; port 0 lets the system choose";

const httpConfiguration = section("Limits of a single HTTP request.", {
  max_body_size: size("Largest body.", "1KB", "1GB", "1MB"),
  max_header_size: size("Largest header name, and largest header value.", "256B", "1MB", "16KB"),
  max_headers_count: integer("Most header lines.", 1, 10_000, 256),
  max_concurrent_streams_count: ignored(integer("HTTP/2 only: streams.", 1, 10_000, 100)),
  initial_window_size: ignored(size("HTTP/2 only: flow-control window.", "1KB", "1GB", "64KB")),
  max_frame_size: ignored(size("HTTP/2 only: largest frame.", "16KB", "16MB", "16KB")),
});

const redirection = section(
  "Where a redirected client is sent.",
  {
    kind: choice("How the address is found.", ["NodeByRole", "StaticAddress"]),
    target: section("What the kind needs.", {
      role: choice("NodeByRole: which node.", ["primary", "backup"]),
      address: text("StaticAddress: the address, without scheme."),
    }),
  },
  ["kind"],
);

const rpcInterface = section(
  "One interface for clients.",
  {
    bind_address: text(`Local address to listen on, ${addressForm}.`),
    published_address: text("Address that clients are told; bind_address when absent."),
    protocol: choice("Transport.", ["tcp"], "tcp"),
    app_protocol: choice("Application protocol.", ["HTTP1", "HTTP2"], "HTTP1"),
    max_open_sessions_soft: integer("Further sessions are told 503.", 1, 1_000_000, 1000),
    max_open_sessions_hard: integer("Further connections are closed.", 2, 1_000_000, 1010),
    http_configuration: httpConfiguration,
    endorsement: section(
      "Whose certificate clients see.",
      {
        authority: choice(
          "Node: self-signed by the node; Service: issued by the service; Unsecured: no TLS.",
          ["Node", "Service", "Unsecured"],
          "Service",
        ),
      },
      ["authority"],
    ),
    accepted_endpoints: list(
      "Regular expressions; a path is served only when one matches all of it. Absent: all paths.",
      text("Regular expression."),
    ),
    forwarding_timeout_ms: integer("Longest wait for a forwarded request, in ms.", 1, 3.6e6, 3000),
    redirections: section("Redirect clients instead of forwarding their requests.", {
      to_primary: redirection,
      to_backup: redirection,
    }),
    enabled_operator_features: list(
      "Endpoints that only operators may reach.",
      choice("Feature.", ["SnapshotRead"]),
    ),
  },
  ["bind_address"],
);

const network = section(
  "Addresses of the node.",
  {
    node_to_node_interface: section(
      "Where other nodes reach this one.",
      {
        bind_address: text(`Local address to listen on, ${addressForm}.`),
        published_address: text("Address that other nodes are told; bind_address when absent."),
      },
      ["bind_address"],
    ),
    rpc_interfaces: {
      type: "object",
      description: "Interfaces for clients, by name.",
      additionalProperties: rpcInterface,
    },
  },
  ["node_to_node_interface", "rpc_interfaces"],
);

const member = section(
  "A member of the consortium.",
  {
    certificate_file: text("Certificate, PEM."),
    encryption_public_key_file: optionalText("RSA public key for recovery shares, PEM."),
    data_json_file: optionalText("JSON that governance may read."),
    recovery_role: choice("Part in recovery.", ["NonParticipant", "Participant", "Owner"]),
  },
  ["certificate_file"],
);

const start = section(
  "Start a new service.",
  {
    constitution_files: list(
      "Scripts of the constitution, in order; none: the default constitution.",
      text("JavaScript file."),
    ),
    members: list("First members.", member),
    service_configuration: section(
      "First configuration of the service.",
      {
        recovery_threshold: integer("Members needed to recover; 0: all of them.", 0, 1000, 0),
        maximum_node_certificate_validity_days: integer("Days.", 1, 36_500, 365),
        maximum_service_certificate_validity_days: integer("Days.", 1, 36_500, 365),
        recent_cose_proposals_window_size: integer("Proposals.", 1, 1_000_000, 100),
      },
      ["recovery_threshold"],
    ),
    initial_service_certificate_validity_days: integer("Days.", 1, 36_500, 1),
    service_subject_name: text("Subject of the service certificate.", "CN=CCF Service"),
    cose_signatures: section("Claims in the COSE signatures of the ledger.", {
      issuer: text("Issuer.", "service.example.com"),
      subject: text("Subject.", "ledger.signature"),
    }),
  },
  ["constitution_files", "members"],
);

const join = section(
  "Join a service.",
  {
    target_rpc_address: text("host:port of a node of the service."),
    retry_timeout: time("Between two attempts.", "1ms", "1h", "1000ms"),
    follow_redirect: flag("Follow redirects to the primary.", true),
    fetch_recent_snapshot: flag("Ask the node for a snapshot first.", true),
    fetch_snapshot_max_attempts: integer("Attempts.", 1, 1000, 3),
    fetch_snapshot_retry_interval: time("Between two attempts.", "1ms", "1h", "1000ms"),
    fetch_snapshot_max_size: size("Largest snapshot.", "1KB", "1PB", "10GB"),
  },
  ["target_rpc_address"],
);

const healingIdentity = section("A node of the cluster.", {
  intrinsic_id: text("Name of the node."),
  published_address: text("host:port of the node."),
});

const recover = section(
  "Recover a service from its ledger.",
  {
    initial_service_certificate_validity_days: integer("Days.", 1, 36_500, 1),
    previous_service_identity_file: text("Certificate of the previous service, PEM."),
    previous_sealed_ledger_secret_location: text("Directory of sealed ledger secrets."),
    self_healing_open: section("Open without operators after a disaster.", {
      identity: healingIdentity,
      cluster_identities: list("All nodes of the cluster.", healingIdentity),
      retry_timeout: time("Between two messages.", "1ms", "1h", "100ms"),
      failover_timeout: time("Until the next phase is forced.", "1ms", "1h", "2000ms"),
    }),
  },
  ["previous_service_identity_file"],
);

const command: ConfigurationSchema = {
  ...section(
    "What the node does at its start.",
    {
      type: choice("Kind of start; the section of the same name is needed.", [
        "Start",
        "Join",
        "Recover",
      ]),
      service_certificate_file: text(
        "Start and Recover write the service certificate here; Join reads it.",
        "service_cert.pem",
      ),
      start,
      join,
      recover,
    },
    ["type"],
  ),
  allOf: ["Start", "Join", "Recover"].map((type) => ({
    if: { properties: { type: { const: type } } },
    // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema.
    then: { required: [type.toLowerCase()] },
  })),
};

const ledger = section("The ledger on disk.", {
  directory: text("Directory of the chunks this node writes.", "ledger"),
  read_only_directories: list("Directories of older, committed chunks.", text("Directory.")),
  chunk_size: size("A chunk is closed when it is at least this large.", "1KB", "1TB", "5MB"),
  sync: choice(
    "batch: flush to disk once per group of transactions; none: leave it to the system.",
    ["batch", "none"],
    "batch",
  ),
});

const attestation = section("How the node proves the code it runs.", {
  platform: choice(
    "Virtual proves nothing and is insecure: for development.",
    ["Virtual", "SNP", "SGX", "TDX"],
    "Virtual",
  ),
  snp_security_policy_file: optionalText("File of the security policy, base64."),
  snp_uvm_endorsements_file: optionalText("File of the UVM endorsements, base64."),
  snp_endorsements_file: optionalText("File of the hardware's certificate chain, base64."),
  snp_endorsements_servers: list(
    "Where the hardware's certificate chain is fetched, in order of preference.",
    section(
      "A server.",
      {
        type: choice("Interface of the server.", ["Azure", "AMD", "THIM"], "Azure"),
        url: text("Host, or host:port."),
        max_retries_count: integer("Attempts.", 0, 1000, 3),
      },
      ["url"],
    ),
  ),
});

const front = section("The part that faces clients: one or more threads for TLS and HTTP.", {
  workers: integer("Threads; more than one needs Node 22.12.", 1, 64, 1),
  handshake_timeout: time("For the TLS handshake.", "100ms", "10min", "10s"),
  head_timeout: time("For the head of a request, from its first octet.", "100ms", "10min", "10s"),
  body_timeout: time("For the body of a request.", "100ms", "1h", "60s"),
  max_in_flight_requests: integer("Unanswered requests; further ones: 503.", 1, 1e6, 10_000),
  max_in_flight_size: size("Octets of unanswered large requests.", "1MB", "64GB", "64MB"),
  max_pipelined_requests: integer("Unanswered requests of one session.", 1, 100_000, 128),
});

const execution = section("Limits of the thread that executes transactions.", {
  handler_timeout: time(
    "Longest run of a handler where no vote (set_js_runtime_options) says otherwise.",
    "1ms",
    "10min",
    "5s",
  ),
  memory: size("Heap of the thread; above it the thread is replaced.", "64MB", "1TB", "2GB"),
});

const outputFiles = section("Files the node writes at its start.", {
  node_certificate_file: text("Self-signed certificate of the node, PEM.", "nodecert.pem"),
  pid_file: text("Process id.", "node.pid"),
  node_to_node_address_file: text("Address for other nodes."),
  rpc_addresses_file: text("Addresses of the RPC interfaces, JSON."),
  sealed_ledger_secret_location: text("Directory of sealed ledger secrets."),
});

const memory = section("Sizes of CCF's ring buffers.", {
  circuit_size: size("Ring buffer.", "1B", "1PB", "16MB"),
  max_msg_size: size("Message.", "1B", "1PB", "64MB"),
  max_fragment_size: size("Fragment.", "1B", "1PB", "256KB"),
});

const consensus = section("Replication; the same on all nodes.", {
  message_timeout: time("Longest silence of the primary.", "1ms", "10min", "100ms"),
  election_timeout: time("Silence after which backups elect.", "10ms", "1h", "5000ms"),
  max_uncommitted_tx_count: integer("Uncommitted transactions; 0: no limit.", 0, 1e9, 10_000),
});

const nodeCertificate = section("The certificate of the node.", {
  subject_name: text("Subject.", "CN=CCF Node"),
  subject_alt_names: list("iPAddress:... and dNSName:... entries.", text("Name.")),
  curve_id: choice("Curve of the node's key.", ["Secp384R1", "Secp256R1"], "Secp384R1"),
  initial_validity_days: integer("Days.", 1, 36_500, 1),
});

/** The whole configuration. */
export const configurationSchema: ConfigurationSchema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "Coco node configuration",
  ...section(
    "Configuration of one node.",
    {
      $schema: ignored(text("For editors.")),
      network,
      command,
      node_certificate: nodeCertificate,
      node_data_json_file: optionalText("JSON about this node, kept by the service."),
      service_data_json_file: optionalText("JSON about the service, written at Start or Recover."),
      attestation,
      ledger,
      snapshots: section("Snapshots of the state.", {
        directory: text("Directory of the snapshots this node writes.", "snapshots"),
        tx_count: integer("Transactions between two snapshots.", 1, 1e9, 10_000),
        read_only_directory: optionalText("Directory of older snapshots."),
      }),
      logging: section("Log lines.", {
        host_level: choice(
          "Least severe level that is written.",
          ["Trace", "Debug", "Info", "Fail", "Fatal"],
          "Info",
        ),
        format: ignored(choice("Lines are always JSON.", ["Text", "Json"], "Json")),
      }),
      consensus,
      ledger_signatures: section("When the ledger is signed: a signature is what commits.", {
        tx_count: integer("Most transactions between two signatures.", 1, 1e9, 5000),
        delay: time("Longest time until unsigned transactions are signed.", "1ms", "1h", "10ms"),
      }),
      jwt: section("Keys of JWT issuers.", {
        key_refresh_interval: time("Between two refreshes.", "1s", "100h", "30min"),
      }),
      front,
      execution,
      output_files: outputFiles,
      tick_interval: ignored(time("CCF's clock.", "1us", "10min", "10ms")),
      slow_io_logging_threshold: time("Slower disk work is logged.", "0", "1h", "10000us"),
      node_client_interface: optionalText("Local address for connections to other nodes."),
      client_connection_timeout: time("For connections to other nodes.", "1ms", "1h", "2000ms"),
      idle_connection_timeout: {
        ...time("Idle sessions are closed; null: never.", "100ms", "100h", "60s"),
        type: ["string", "null"],
      },
      worker_threads: ignored(integer("CCF's threads; see front.workers.", 0, 1024, 0)),
      memory: ignored(memory),
      ignore_first_sigterm: flag("Only note the first SIGTERM in /node/state.", false),
      node_to_node_message_limit: integer("Messages per channel key.", 0, 1e15),
      historical_cache_soft_limit: size("For historical queries.", "1MB", "1TB", "512MB"),
    },
    ["network", "command"],
  ),
};
