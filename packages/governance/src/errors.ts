/** Errors of the governance room: 5000 to 5999. */
import { defineErrors } from "@coco/base";

export const governanceErrors = defineErrors("governance", {
  NoTransaction: {
    number: 5002,
    title: "Governance code touched the store outside its call",
    next: "Use ccf.kv only inside validate, resolve, apply or vote",
  },
  BadConstitution: {
    number: 5003,
    title: "The constitution cannot be used",
    next: "Export validate(input), resolve(proposal, proposerId, votes) and apply(proposal, id)",
  },
  EffectDenied: {
    number: 5004,
    title: "This effect is only allowed in apply",
    next: "Call ccf.node and ccf.network functions only from apply",
  },
  BadArgument: {
    number: 5005,
    title: "A host function was called with a wrong argument",
    next: "Compare the call with the documentation of the constitution's host functions",
  },
  BadMember: {
    number: 5007,
    title: "The member cannot be added",
    next: "Give an encryption public key exactly to members with a recovery role",
  },
  NoService: {
    number: 5008,
    title: "The service does not exist yet",
    next: "Start the node with the start or recover command first",
  },
  ServiceExists: {
    number: 5009,
    title: "The service exists already",
    next: "Start a new service in an empty ledger directory, or recover this one",
  },
  BadServiceIdentity: {
    number: 5010,
    title: "The service identity of the proposal is not the service's",
    next: "Read the service certificate of the node and propose again with it",
  },
  BadServiceState: {
    number: 5011,
    title: "The service is not in a state that allows this",
    next: "Look at the service status with /gov/service/info",
  },
  TooFewRecoveryMembers: {
    number: 5012,
    title: "Too few active recovery members",
    next: "Let recovery members acknowledge the state digest, or lower the recovery threshold",
  },
  BadRecoveryShare: {
    number: 5013,
    title: "The recovery share cannot be used",
    next: "Decrypt your own encrypted share again and submit it unchanged, in base64",
  },
});
