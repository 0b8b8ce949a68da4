/** Part of the default constitution: members, users, and the constitution itself. */
export const memberActionsSource = `
defineAction("set_constitution", { constitution: nonEmptyString }, setConstitution, (args) => {
  ccf.gov.validateConstitution(args.constitution);
});

function setConstitution(args, proposalId) {
  writeJson(tables.constitution, undefined, args.constitution);
  dropOtherOpenProposals(proposalId);
}

// A member with an encryption key takes part in recovery.
function recoveryRole(info, hasEncryptionKey) {
  return info.recovery_role ?? (hasEncryptionKey ? "Participant" : "NonParticipant");
}

function countActiveRecoveryMembers(role, exceptMemberId) {
  let count = 0;
  ccf.kv[tables.memberEncryptionKeys].forEach((_, key) => {
    const memberId = ccf.bufToStr(key);
    const info = readJson(tables.memberInfo, memberId);
    if (info === undefined) throw new Error("Recovery member " + memberId + " has no information");
    const isCounted = info.status === "Active" && recoveryRole(info, true) === role;
    if (isCounted && memberId !== exceptMemberId) count++;
  });
  return count;
}

defineAction(
  "set_member",
  {
    cert: certificateBundle,
    encryption_pub_key: optional(rsaPublicKey),
    member_data: optional(object),
    recovery_role: optional(oneOf(["NonParticipant", "Participant", "Owner"])),
  },
  (args) => {
    const memberId = ccf.pemToId(args.cert);
    writeText(tables.memberCerts, memberId, args.cert);
    if (args.encryption_pub_key === undefined || args.encryption_pub_key === null) {
      remove(tables.memberEncryptionKeys, memberId);
    } else {
      writeText(tables.memberEncryptionKeys, memberId, args.encryption_pub_key);
    }
    writeJson(tables.memberInfo, memberId, {
      member_data: args.member_data,
      recovery_role: args.recovery_role ?? undefined,
      status: "Accepted",
    });
    // The member becomes active by acknowledging the state they join.
    const signature = readJson(tables.signatures);
    writeJson(tables.acks, memberId, { state_digest: signature?.root ?? "" });
  },
  (args) => {
    const hasKey = args.encryption_pub_key !== undefined && args.encryption_pub_key !== null;
    const hasRole = args.recovery_role !== undefined && args.recovery_role !== null;
    if (hasRole && !hasKey) {
      throw new Error("args.recovery_role needs args.encryption_pub_key");
    }
    if (hasKey && args.recovery_role === "NonParticipant") {
      throw new Error("A member with args.encryption_pub_key cannot be a NonParticipant");
    }
  },
);

function checkRemainingRecoveryMembers(memberId, info) {
  const threshold = requireServiceConfig().recovery_threshold;
  const participants = countActiveRecoveryMembers("Participant", memberId);
  const owners = countActiveRecoveryMembers("Owner", memberId);
  // One owner is enough when nobody else holds shares.
  const canOwnersRecover = participants === 0 && owners > 0 && threshold === 1;
  const isShareLost = recoveryRole(info, true) === "Participant" && participants < threshold;
  const isLastOwner = recoveryRole(info, true) === "Owner" && participants + owners === 0;
  if ((isShareLost && !canOwnersRecover) || isLastOwner) {
    throw new Error(
      "Number of active recovery members (" +
        participants +
        ") would be less than recovery threshold (" +
        threshold +
        ")",
    );
  }
}

defineAction("remove_member", { member_id: entityId }, (args) => {
  const memberId = args.member_id;
  const info = readJson(tables.memberInfo, memberId);
  if (info === undefined) return;
  const isRecoveryMember = ccf.kv[tables.memberEncryptionKeys].has(toKey(memberId));
  const holdsShare = info.status === "Active" && isRecoveryMember;
  if (holdsShare) checkRemainingRecoveryMembers(memberId, info);
  remove(tables.memberInfo, memberId);
  remove(tables.memberEncryptionKeys, memberId);
  remove(tables.memberCerts, memberId);
  remove(tables.acks, memberId);
  remove(tables.history, memberId);
  // The share of a former member must not open what is written from now on.
  if (holdsShare) ccf.node.triggerLedgerRekey();
});

defineAction("set_member_data", { member_id: entityId, member_data: object }, (args) => {
  const info = readJson(tables.memberInfo, args.member_id);
  if (info === undefined) throw new Error("Member " + args.member_id + " does not exist");
  info.member_data = args.member_data;
  writeJson(tables.memberInfo, args.member_id, info);
});

function writeUserData(userId, userData) {
  if (userData === undefined || userData === null) remove(tables.userInfo, userId);
  else writeJson(tables.userInfo, userId, { user_data: userData });
}

defineAction("set_user", { cert: certificateBundle, user_data: optional(object) }, (args) => {
  const userId = ccf.pemToId(args.cert);
  writeText(tables.userCerts, userId, args.cert);
  writeUserData(userId, args.user_data);
});

defineAction("remove_user", { user_id: entityId }, (args) => {
  remove(tables.userCerts, args.user_id);
  remove(tables.userInfo, args.user_id);
});

defineAction("set_user_data", { user_id: entityId, user_data: optional(object) }, (args) => {
  writeUserData(args.user_id, args.user_data);
});

// Roles are sets of action names that applications and constitutions can ask for.
defineAction(
  "set_role_definition",
  {
    role: nonEmptyString,
    actions: (value, name) => {
      array(value, name);
      value.forEach((action, index) => string(action, name + "[" + index + "]"));
    },
  },
  (args) => {
    const definition = ccf.kv["public:programmability.roles." + args.role];
    definition.clear();
    for (const action of new Set(args.actions)) {
      definition.set(ccf.jsonCompatibleToBuf(action), singletonKey);
    }
  },
);
`;
