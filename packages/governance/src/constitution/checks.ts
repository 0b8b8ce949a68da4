/**
 * First part of the default constitution: how actions are defined and their arguments checked.
 * The text is plain JavaScript that runs in the sandbox; it has no template literals, so that it
 * stands here as it runs.
 */
export const checksSource = `
// Every action is a pair: validate(args) throws when the arguments are wrong,
// apply(args, proposalId) changes the tables when the members have accepted the proposal.
class Action {
  constructor(validate, apply) {
    this.validate = validate;
    this.apply = apply;
  }
}

const actions = new Map();

// Parameters are given as an object of checks; arguments that it does not name are refused,
// because a misspelt optional argument would silently change what members vote on.
function defineAction(name, parameters, apply, checkTogether) {
  function validate(args) {
    const given = args === null || args === undefined ? {} : args;
    object(given, "args");
    const known = Object.keys(parameters);
    for (const key of Object.keys(given)) {
      if (!known.includes(key)) {
        const list = known.length === 0 ? "no arguments" : "only " + known.join(", ");
        throw new Error("args." + key + " is not known; " + name + " takes " + list);
      }
    }
    for (const key of known) {
      parameters[key](given[key], "args." + key);
    }
    if (checkTogether !== undefined) {
      checkTogether(given);
    }
  }
  actions.set(name, new Action(validate, (args, proposalId) => apply(args ?? {}, proposalId)));
}

function refuse(name, wanted, value) {
  const found = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  throw new Error(name + " has to be " + wanted + " but is " + found);
}

// Checks of one value. Each takes the value and its name for the message.

function optional(check) {
  return (value, name) => {
    if (value !== undefined && value !== null) check(value, name);
  };
}

function any() {}

function string(value, name) {
  if (typeof value !== "string") refuse(name, "a string", value);
}

function nonEmptyString(value, name) {
  string(value, name);
  if (value === "") throw new Error(name + " must not be empty");
}

function boolean(value, name) {
  if (typeof value !== "boolean") refuse(name, "a boolean", value);
}

function object(value, name) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    refuse(name, "an object", value);
  }
}

function array(value, name) {
  if (!Array.isArray(value)) refuse(name, "an array", value);
}

function integerBetween(low, high) {
  return (value, name) => {
    if (!Number.isInteger(value)) refuse(name, "an integer", value);
    if (value < low || value > high) {
      throw new Error(name + " has to be between " + low + " and " + high + " but is " + value);
    }
  };
}

function oneOf(values) {
  return (value, name) => {
    if (!values.includes(value)) {
      throw new Error(name + " has to be one of " + values.join(", "));
    }
  };
}

// Member, user, node and proposal ids are the hexadecimal form of a SHA-256 digest.
function entityId(value, name) {
  string(value, name);
  if (!/^[0-9a-fA-F]{64}$/.test(value)) {
    throw new Error(name + " has to be exactly 64 hexadecimal digits");
  }
}

function lowerHexOfBytes(count) {
  return (value, name) => {
    string(value, name);
    if (value.length !== 2 * count || !/^[0-9a-f]*$/.test(value)) {
      throw new Error(name + " has to be " + 2 * count + " lower-case hexadecimal digits");
    }
  };
}

function certificateBundle(value, name) {
  string(value, name);
  if (!ccf.crypto.isValidX509CertBundle(value)) {
    throw new Error(name + " has to be an X.509 certificate, or a bundle of them, in PEM form");
  }
}

function rsaPublicKey(value, name) {
  string(value, name);
  try {
    ccf.crypto.pubRsaPemToJwk(value);
  } catch {
    throw new Error(name + " has to be an RSA public key in PEM form");
  }
}

const validityDays = integerBetween(1, 1000000);

// Tables.

const singletonKey = new ArrayBuffer(8);

const tables = {
  acks: "public:ccf.gov.members.acks",
  caBundles: "public:ccf.gov.tls.ca_cert_bundles",
  codeIds: "public:ccf.gov.nodes.code_ids",
  constitution: "public:ccf.gov.constitution",
  endorsedCertificates: "public:ccf.gov.nodes.endorsed_certificates",
  endpoints: "public:ccf.gov.endpoints",
  history: "public:ccf.gov.history",
  interpreterFlush: "public:ccf.gov.interpreter.flush",
  jwtIssuers: "public:ccf.gov.jwt.issuers",
  jwtKeys: "public:ccf.gov.jwt.public_signing_keys_metadata_v2",
  memberCerts: "public:ccf.gov.members.certs",
  memberEncryptionKeys: "public:ccf.gov.members.encryption_public_keys",
  memberInfo: "public:ccf.gov.members.info",
  modules: "public:ccf.gov.modules",
  modulesBytecode: "public:ccf.gov.modules_quickjs_bytecode",
  modulesBytecodeVersion: "public:ccf.gov.modules_quickjs_version",
  nodeInfo: "public:ccf.gov.nodes.info",
  proposalInfo: "public:ccf.gov.proposals_info",
  runtimeOptions: "public:ccf.gov.js_runtime_options",
  serviceConfig: "public:ccf.gov.service.config",
  serviceInfo: "public:ccf.gov.service.info",
  signatures: "public:ccf.internal.signatures",
  snpHostData: "public:ccf.gov.nodes.snp.host_data",
  snpMeasurements: "public:ccf.gov.nodes.snp.measurements",
  snpTcbVersions: "public:ccf.gov.nodes.snp.tcb_versions",
  snpUvmEndorsements: "public:ccf.gov.nodes.snp.uvm_endorsements",
  userCerts: "public:ccf.gov.users.certs",
  userInfo: "public:ccf.gov.users.info",
  virtualHostData: "public:ccf.gov.nodes.virtual.host_data",
  virtualMeasurements: "public:ccf.gov.nodes.virtual.measurements",
};

function toKey(key) {
  return key === undefined ? singletonKey : ccf.strToBuf(key);
}

// Without a key: the only value of a table that holds one.
function readJson(table, key) {
  const value = ccf.kv[table].get(toKey(key));
  return value === undefined ? undefined : ccf.bufToJsonCompatible(value);
}

function writeJson(table, key, value) {
  ccf.kv[table].set(toKey(key), ccf.jsonCompatibleToBuf(value));
}

function writeText(table, key, text) {
  ccf.kv[table].set(toKey(key), ccf.strToBuf(text));
}

function remove(table, key) {
  ccf.kv[table].delete(toKey(key));
}

function requireServiceInfo() {
  const info = readJson(tables.serviceInfo);
  if (info === undefined) throw new Error("The service has no information yet");
  return info;
}

function requireServiceConfig() {
  const config = readJson(tables.serviceConfig);
  if (config === undefined) throw new Error("The service has no configuration yet");
  return config;
}

// A change of the rules or of the trusted code changes what open proposals mean: members voted
// on something else, so these proposals are dropped and have to be proposed again.
function dropOtherOpenProposals(proposalId) {
  const dropped = [];
  ccf.kv[tables.proposalInfo].forEach((value, key) => {
    const info = ccf.bufToJsonCompatible(value);
    if (ccf.bufToStr(key) !== proposalId && info.state === "Open") dropped.push([key, info]);
  });
  for (const [key, info] of dropped) {
    info.state = "Dropped";
    ccf.kv[tables.proposalInfo].set(key, ccf.jsonCompatibleToBuf(info));
  }
}
`;
