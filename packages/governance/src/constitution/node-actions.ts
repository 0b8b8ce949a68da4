/** Part of the default constitution: nodes and the code they may run. */
export const nodeActionsSource = `
function requireNode(nodeId) {
  const info = readJson(tables.nodeInfo, nodeId);
  if (info === undefined) throw new Error("Node " + nodeId + " does not exist");
  return info;
}

function allowedValidityDays(wanted, limit) {
  if (wanted === undefined || wanted === null) return limit;
  if (wanted > limit) {
    throw new Error(
      "Validity period " + wanted + " (days) is not allowed: the maximum is " + limit + " (days)",
    );
  }
  return wanted;
}

function endorseNode(nodeId, info, args) {
  const limit = requireServiceConfig().maximum_node_certificate_validity_days ?? 365;
  const certificate = ccf.network.generateEndorsedCertificate(
    info.certificate_signing_request,
    args.valid_from,
    allowedValidityDays(args.validity_period_days, limit),
  );
  writeText(tables.endorsedCertificates, nodeId, certificate);
}

function renewNodeCertificate(nodeId, info, args) {
  if (info.certificate_signing_request === undefined) {
    throw new Error("Node " + nodeId + " has no certificate signing request");
  }
  endorseNode(nodeId, info, args);
}

defineAction("set_node_data", { node_id: entityId, node_data: any }, (args) => {
  const info = requireNode(args.node_id);
  info.node_data = args.node_data;
  writeJson(tables.nodeInfo, args.node_id, info);
});

const nodeCertificateParameters = {
  node_id: entityId,
  valid_from: nonEmptyString,
  validity_period_days: optional(validityDays),
};

defineAction("transition_node_to_trusted", nodeCertificateParameters, (args) => {
  const info = requireNode(args.node_id);
  if (info.status !== "Pending") return;
  info.status = "Trusted";
  info.ledger_secret_seqno = ccf.network.getLatestLedgerSecretSeqno();
  writeJson(tables.nodeInfo, args.node_id, info);
  // Nodes of CCF 1.x joined without a certificate signing request.
  if (info.certificate_signing_request !== undefined) endorseNode(args.node_id, info, args);
});

defineAction("remove_node", { node_id: entityId }, (args) => {
  const info = readJson(tables.nodeInfo, args.node_id);
  if (info === undefined) return;
  if (info.status === "Pending") {
    remove(tables.nodeInfo, args.node_id);
    return;
  }
  info.status = "Retired";
  writeJson(tables.nodeInfo, args.node_id, info);
});

defineAction("set_node_certificate_validity", nodeCertificateParameters, (args) => {
  const info = requireNode(args.node_id);
  if (info.status !== "Trusted") throw new Error("Node " + args.node_id + " is not trusted");
  renewNodeCertificate(args.node_id, info, args);
});

defineAction(
  "set_all_nodes_certificate_validity",
  { valid_from: nonEmptyString, validity_period_days: optional(validityDays) },
  (args) => {
    ccf.kv[tables.nodeInfo].forEach((value, key) => {
      const info = ccf.bufToJsonCompatible(value);
      if (info.status === "Trusted") renewNodeCertificate(ccf.bufToStr(key), info, args);
    });
  },
);

// Code that may join. Adding some drops open proposals; removing some does not.

function defineMeasurementActions(suffix, argument, table) {
  const parameters = { [argument]: nonEmptyString };
  defineAction("add_" + suffix, parameters, (args, proposalId) => {
    writeJson(table, args[argument], "AllowedToJoin");
    dropOtherOpenProposals(proposalId);
  });
  defineAction("remove_" + suffix, parameters, (args) => remove(table, args[argument]));
}

defineMeasurementActions("node_code", "code_id", tables.codeIds);
defineMeasurementActions("snp_measurement", "measurement", tables.snpMeasurements);
defineMeasurementActions("virtual_measurement", "measurement", tables.virtualMeasurements);

defineAction("add_virtual_host_data", { host_data: nonEmptyString }, (args, proposalId) => {
  ccf.kv[tables.virtualHostData].set(toKey(args.host_data), singletonKey);
  dropOtherOpenProposals(proposalId);
});

defineAction("remove_virtual_host_data", { host_data: nonEmptyString }, (args) => {
  remove(tables.virtualHostData, args.host_data);
});

function bufferToHex(buffer) {
  const digits = Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0"));
  return digits.join("");
}

defineAction(
  "add_snp_host_data",
  { host_data: lowerHexOfBytes(32), security_policy: string },
  (args, proposalId) => {
    writeJson(tables.snpHostData, args.host_data, args.security_policy);
    dropOtherOpenProposals(proposalId);
  },
  (args) => {
    if (args.security_policy === "") return;
    const digest = bufferToHex(ccf.crypto.digest("SHA-256", ccf.strToBuf(args.security_policy)));
    if (digest !== args.host_data) {
      throw new Error(
        "args.host_data is not the SHA-256 digest of args.security_policy, which is " + digest,
      );
    }
  },
);

defineAction("remove_snp_host_data", { host_data: nonEmptyString }, (args) => {
  remove(tables.snpHostData, args.host_data);
});

defineAction(
  "add_snp_uvm_endorsement",
  { did: nonEmptyString, feed: nonEmptyString, svn: nonEmptyString },
  (args, proposalId) => {
    const feeds = readJson(tables.snpUvmEndorsements, args.did) ?? {};
    feeds[args.feed] = { svn: args.svn };
    writeJson(tables.snpUvmEndorsements, args.did, feeds);
    dropOtherOpenProposals(proposalId);
  },
);

defineAction(
  "remove_snp_uvm_endorsement",
  { did: nonEmptyString, feed: nonEmptyString },
  (args) => {
    const feeds = readJson(tables.snpUvmEndorsements, args.did) ?? {};
    delete feeds[args.feed];
    if (Object.keys(feeds).length === 0) remove(tables.snpUvmEndorsements, args.did);
    else writeJson(tables.snpUvmEndorsements, args.did, feeds);
  },
);

// Family, model and stepping of the processor, as the platform reports them.
const cpuid = lowerHexOfBytes(4);

function tcbVersion(value, name) {
  object(value, name);
  const part = integerBetween(0, 255);
  const parts = { boot_loader: part, tee: part, snp: part, microcode: part, fmc: optional(part) };
  for (const key of Object.keys(value)) {
    if (!Object.keys(parts).includes(key)) throw new Error(name + "." + key + " is not known");
  }
  for (const [key, check] of Object.entries(parts)) check(value[key], name + "." + key);
}

function setMinimumTcbVersion(processor, policy, proposalId) {
  writeJson(tables.snpTcbVersions, processor, policy);
  dropOtherOpenProposals(proposalId);
}

defineAction("set_snp_minimum_tcb_version", { cpuid, tcb_version: tcbVersion }, (args, id) => {
  setMinimumTcbVersion(args.cpuid, args.tcb_version, id);
});

defineAction(
  "set_snp_minimum_tcb_version_hex",
  { cpuid, tcb_version: lowerHexOfBytes(8) },
  (args, id) => {
    setMinimumTcbVersion(args.cpuid, ccf.tcbHexToPolicy(args.cpuid, args.tcb_version), id);
  },
);

defineAction("remove_snp_minimum_tcb_version", { cpuid }, (args) => {
  if (!ccf.kv[tables.snpTcbVersions].has(toKey(args.cpuid))) {
    throw new Error("CPUID " + args.cpuid + " has no minimum TCB version");
  }
  remove(tables.snpTcbVersions, args.cpuid);
});
`;
