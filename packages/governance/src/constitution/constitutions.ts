/** The constitutions that come with Coco, as text to be stored in a service. */
import { applicationActionsSource } from "./application-actions.ts";
import { checksSource } from "./checks.ts";
import { acceptAllSource, majoritySource, validateAndApplySource } from "./decision-functions.ts";
import { memberActionsSource } from "./member-actions.ts";
import { nodeActionsSource } from "./node-actions.ts";
import { serviceActionsSource } from "./service-actions.ts";

/** Files become one module by following each other. */
export function concatenateConstitution(files: readonly string[]): string {
  return files.map((file) => (file.endsWith("\n") ? file : `${file}\n`)).join("");
}

const actionsSource = concatenateConstitution([
  checksSource,
  memberActionsSource,
  serviceActionsSource,
  nodeActionsSource,
  applicationActionsSource,
]);

/** A proposal is accepted when more than half of the active members vote for it. */
export const defaultConstitution: string = concatenateConstitution([
  actionsSource,
  validateAndApplySource,
  majoritySource,
]);

/** For development only: every proposal of a member is accepted at once. */
export const sandboxConstitution: string = concatenateConstitution([
  actionsSource,
  validateAndApplySource,
  acceptAllSource,
]);
