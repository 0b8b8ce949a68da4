/** Part of the default constitution: the service, its configuration, secrets and ledger. */
export const serviceActionsSource = `
function checkRecoveryThreshold(config, threshold) {
  if (threshold === undefined || threshold === config.recovery_threshold) return;
  const { status } = requireServiceInfo();
  if (status === "WaitingForRecoveryShares") {
    throw new Error("The recovery threshold cannot be changed while the service is " + status);
  }
  if (status !== "Open") return;
  const participants = countActiveRecoveryMembers("Participant");
  const owners = countActiveRecoveryMembers("Owner");
  const available = participants === 0 && owners > 0 ? 1 : participants;
  if (threshold > available) {
    throw new Error(
      "Cannot set recovery threshold to " +
        threshold +
        ": recovery threshold would be greater than the number of recovery members " +
        available,
    );
  }
}

function checkReconfigurationType(config, type) {
  if (type === undefined || type === config.reconfiguration_type) return;
  const isOneTransaction = (config.reconfiguration_type ?? "OneTransaction") === "OneTransaction";
  if (!isOneTransaction || type !== "TwoTransaction") {
    throw new Error(
      "The reconfiguration type cannot go from " + config.reconfiguration_type + " to " + type,
    );
  }
}

function updateServiceConfig(args) {
  const config = requireServiceConfig();
  const changes = {};
  for (const [key, value] of Object.entries(args)) {
    if (value !== null && value !== undefined) changes[key] = value;
  }
  checkReconfigurationType(config, changes.reconfiguration_type);
  checkRecoveryThreshold(config, changes.recovery_threshold);
  const isThresholdNew =
    changes.recovery_threshold !== undefined &&
    changes.recovery_threshold !== config.recovery_threshold;
  writeJson(tables.serviceConfig, undefined, { ...config, ...changes });
  if (isThresholdNew) ccf.node.triggerRecoverySharesRefresh();
}

const recoveryThreshold = integerBetween(1, 254);

defineAction(
  "set_recovery_threshold",
  { recovery_threshold: recoveryThreshold },
  updateServiceConfig,
);

defineAction(
  "set_service_configuration",
  {
    reconfiguration_type: optional(oneOf(["OneTransaction", "TwoTransaction"])),
    recovery_threshold: optional(recoveryThreshold),
    recent_cose_proposals_window_size: optional(integerBetween(1, 10000)),
  },
  updateServiceConfig,
);

defineAction("trigger_recovery_shares_refresh", {}, () => {
  ccf.node.triggerRecoverySharesRefresh();
});

defineAction("trigger_ledger_rekey", {}, () => {
  ccf.node.triggerLedgerRekey();
});

defineAction("trigger_ledger_chunk", {}, () => {
  ccf.node.triggerLedgerChunk();
});

defineAction("trigger_snapshot", {}, () => {
  ccf.node.triggerSnapshot();
});

defineAction(
  "transition_service_to_open",
  {
    next_service_identity: certificateBundle,
    previous_service_identity: optional(certificateBundle),
  },
  (args) => {
    const previous = args.previous_service_identity ?? undefined;
    if (requireServiceInfo().status === "Recovering" && previous === undefined) {
      throw new Error(
        "Opening a recovering service needs the previous and the next service identity",
      );
    }
    ccf.node.transitionServiceToOpen(
      previous === undefined ? undefined : ccf.strToBuf(previous),
      ccf.strToBuf(args.next_service_identity),
    );
  },
);

defineAction(
  "set_service_certificate_validity",
  { valid_from: nonEmptyString, validity_period_days: optional(validityDays) },
  (args) => {
    const limit = requireServiceConfig().maximum_service_certificate_validity_days ?? 365;
    const info = requireServiceInfo();
    info.cert = ccf.network.generateNetworkCertificate(
      args.valid_from,
      allowedValidityDays(args.validity_period_days, limit),
    );
    writeJson(tables.serviceInfo, undefined, info);
  },
);

// Lets a proposal hold only for the service that its author meant.
defineAction(
  "assert_service_identity",
  { service_identity: certificateBundle },
  () => {},
  (args) => {
    if (requireServiceInfo().cert !== args.service_identity) {
      throw new Error("args.service_identity is not the certificate of this service");
    }
  },
);
`;
