/** Last parts of the constitutions: the three functions that a service calls. */
export const validateAndApplySource = `
export function validate(input) {
  const proposal = JSON.parse(input);
  if (!Array.isArray(proposal?.actions)) {
    return { valid: false, description: "The proposal needs an array called actions" };
  }
  const errors = [];
  proposal.actions.forEach((action, position) => {
    const definition = actions.get(action?.name);
    if (definition === undefined) {
      errors.push(action?.name + ": no such action");
      return;
    }
    try {
      definition.validate(action.args);
    } catch (error) {
      errors.push(action.name + " at position " + position + " failed validation: " + error);
    }
  });
  return { valid: errors.length === 0, description: errors.join(", ") };
}

export function apply(proposal, proposalId) {
  for (const action of JSON.parse(proposal).actions) {
    actions.get(action.name).apply(action.args, proposalId);
  }
}
`;

/** More than half of the active members have to vote yes. */
export const majoritySource = `
export function resolve(proposal, proposerId, votes) {
  const yesCount = votes.filter((vote) => vote.vote).length;
  let activeCount = 0;
  ccf.kv["public:ccf.gov.members.info"].forEach((value) => {
    if (ccf.bufToJsonCompatible(value).status === "Active") activeCount++;
  });
  return yesCount > activeCount / 2 ? "Accepted" : "Open";
}
`;

/** For development: what a member proposes is accepted at once. */
export const acceptAllSource = `
export function resolve(proposal, proposerId, votes) {
  return "Accepted";
}
`;
