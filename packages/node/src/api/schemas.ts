/** JSON schemas of the bodies of the `/node` endpoints, under the names of the dialect. */

type Schema = Readonly<Record<string, unknown>>;

const reference = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const arrayOf = (name: string): Schema => ({ items: reference(name), type: "array" });
const mapOf = (name: string): Schema => ({ additionalProperties: reference(name), type: "object" });

/** Properties by name; a name that ends in `?` is optional. */
function object(
  properties: Readonly<Record<string, string>>,
  required: readonly string[] = Object.keys(properties).filter((name) => !name.endsWith("?")),
): Schema {
  const names = Object.keys(properties);
  return {
    properties: Object.fromEntries(
      names.map((name) => [name.replace("?", ""), reference(properties[name]!)]),
    ),
    required,
    type: "object",
  };
}

const attestation = object({
  endorsements: "base64string",
  format: "QuoteFormat",
  "measurement?": "string",
  node_id: "NodeId",
  raw: "base64string",
  "uvm_endorsements?": "base64string",
});

/** Schemas by name. */
const apiSchemas: Readonly<Record<string, Schema>> = {
  Attestation: attestation,
  Attestation_array: arrayOf("Attestation"),
  CCFError: {
    properties: {
      error: {
        properties: {
          code: { description: "Code of the error", type: "string" },
          message: { description: "What happened", type: "string" },
        },
        type: "object",
      },
    },
    type: "object",
  },
  ConsensusConfigDetails: object({ details: "ConsensusDetails" }),
  ConsensusDetails: {
    properties: {
      acks: mapOf("ConsensusDetails__Ack"),
      configs: arrayOf("Configuration"),
      current_view: reference("uint64"),
      leadership_state: {
        enum: ["None", "Leader", "Follower", "PreVoteCandidate", "Candidate"],
        type: "string",
      },
      membership_state: { enum: ["Active", "Retired"], type: "string" },
      primary_id: reference("NodeId"),
      reconfiguration_type: { enum: ["OneTransaction"], type: "string" },
      retirement_phase: reference("string"),
      ticking: reference("boolean"),
    },
    required: ["configs", "acks", "membership_state", "primary_id", "current_view", "ticking"],
    type: "object",
  },
  ConsensusDetails__Ack: object({ last_received_ms: "uint64", seqno: "uint64" }),
  Configuration: object({ idx: "uint64", nodes: "string_to_ConsensusNodeConfig", rid: "uint64" }),
  ConsensusNodeConfig: object({ address: "string" }),
  GetAttestations__Out: object({ attestations: "Attestation_array" }),
  GetCommit__Out: object({
    transaction_id: "TransactionId",
    "view_history?": "TransactionId_array",
  }),
  GetNetworkInfo__Out: object({
    current_service_create_txid: "TransactionId",
    current_view: "uint64",
    primary_id: "NodeId",
    recovery_count: "uint64",
    service_certificate: "Pem",
    service_data: "json",
    service_status: "ServiceStatus",
  }),
  GetNode__NodeInfo: object({
    last_written: "uint64",
    node_data: "json",
    node_id: "NodeId",
    primary: "boolean",
    rpc_interfaces: "json",
    status: "NodeStatus",
  }),
  GetNode__NodeInfo_array: arrayOf("GetNode__NodeInfo"),
  GetNodes__Out: object({ nodes: "GetNode__NodeInfo_array" }),
  GetQuotes__Out: object({ quotes: "Quote_array" }),
  GetServicePreviousIdentity__Out: object({ previous_service_identity: "Pem" }),
  GetState__Out: object({
    "last_recovered_seqno?": "uint64",
    last_signed_seqno: "uint64",
    node_id: "NodeId",
    "recovery_target_seqno?": "uint64",
    startup_seqno: "uint64",
    state: "NodeStartupState",
    stop_notice: "boolean",
  }),
  GetTxStatus__Out: object({ status: "TxStatus", transaction_id: "TransactionId" }, [
    "transaction_id",
    "status",
  ]),
  GetVersion__Out: object({ ccf_version: "string", quickjs_version: "string", unsafe: "boolean" }),
  JWTRefreshMetrics: object({ attempts: "uint64", failures: "uint64", successes: "uint64" }),
  JavaScriptMetrics: object({
    bytecode_size: "uint64",
    bytecode_used: "boolean",
    max_cached_interpreters: "uint64",
    max_execution_time: "uint64",
    max_heap_size: "uint64",
    max_stack_size: "uint64",
  }),
  MemoryUsage__Out: object({
    current_allocated_heap_size: "uint64",
    max_total_heap_size: "uint64",
    peak_allocated_heap_size: "uint64",
  }),
  NodeId: { format: "hex", pattern: "^[a-f0-9]{64}$", type: "string" },
  NodeStartupState: {
    enum: [
      "Uninitialized",
      "Initialized",
      "Pending",
      "PartOfNetwork",
      "PartOfPublicNetwork",
      "ReadingPublicLedger",
      "ReadingPrivateLedger",
      "VerifyingSnapshot",
    ],
    type: "string",
  },
  NodeStatus: { enum: ["Pending", "Trusted", "Retired"], type: "string" },
  Pem: { type: "string" },
  Quote: attestation,
  Quote_array: arrayOf("Quote"),
  QuoteFormat: { enum: ["OE_SGX_v1", "Insecure_Virtual", "AMD_SEV_SNP_v1"], type: "string" },
  SelfSignedNodeCertificateInfo: object({ self_signed_certificate: "Pem" }),
  ServiceConfiguration: object({
    "consensus?": "string",
    "maximum_node_certificate_validity_days?": "uint64",
    "maximum_service_certificate_validity_days?": "uint64",
    "recent_cose_proposals_window_size?": "uint64",
    "reconfiguration_type?": "string",
    recovery_threshold: "uint64",
  }),
  ServiceStatus: {
    enum: ["Opening", "Open", "WaitingForRecoveryShares", "Recovering"],
    type: "string",
  },
  TransactionId: { pattern: "^[0-9]+\\.[0-9]+$", type: "string" },
  TransactionId_array: arrayOf("TransactionId"),
  TxStatus: { enum: ["Unknown", "Pending", "Committed", "Invalid"], type: "string" },
  base64string: { format: "base64", type: "string" },
  boolean: { type: "boolean" },
  json: {},
  string: { type: "string" },
  string_to_ConsensusNodeConfig: mapOf("ConsensusNodeConfig"),
  // JSON of this program holds whole numbers exactly only up to 2^53 - 1.
  uint64: { maximum: Number.MAX_SAFE_INTEGER, minimum: 0, type: "integer" },
};

/** `names` and every schema to which they refer. */
export function collectSchemas(names: Iterable<string>): Record<string, Schema> {
  const found = new Map<string, Schema>();
  const open = [...names];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const schema = apiSchemas[name];
    if (schema === undefined || found.has(name)) continue;
    found.set(name, schema);
    const text = JSON.stringify(schema);
    for (const match of text.matchAll(/#\/components\/schemas\/([A-Za-z0-9_]+)/g)) {
      open.push(match[1]!);
    }
  }
  return Object.fromEntries([...found].sort(([left], [right]) => (left < right ? -1 : 1)));
}
