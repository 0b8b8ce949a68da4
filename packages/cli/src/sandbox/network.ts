/** Brings a started node to an open service: acknowledgements, users, app, opening. */
import type { Connection, ProposalBody, ProposalInfo } from "@coco/client";
import { connectNode } from "@coco/client/node";
import type { AppBundle } from "../app/bundle.ts";
import { cliErrors } from "../errors.ts";
import { readText } from "../files.ts";
import type { SandboxMember, SandboxUser } from "./facts.ts";

export interface NetworkOptions {
  readonly url: string;
  /** PEM. */
  readonly serviceCertificate: string;
  readonly members: readonly SandboxMember[];
}

/** The members of a sandbox, who agree about everything. */
export interface Network {
  /** Acknowledges for each member, which makes them active. */
  activateMembers(): Promise<void>;
  open(users: readonly SandboxUser[], bundle: AppBundle): Promise<void>;
  deploy(bundle: AppBundle): Promise<ProposalInfo>;
  close(): Promise<void>;
}

export function createNetwork(options: NetworkOptions): Network {
  const { url, serviceCertificate } = options;
  const connections = options.members.map((member) =>
    connectNode({
      url,
      serviceCertificate,
      identity: { certificate: readText(member.cert), key: readText(member.key) },
    }),
  );
  return {
    activateMembers: async () => {
      for (const { governance } of connections) await governance.acknowledge();
    },
    open: async (users, bundle) => {
      const setUsers = users.map((user) => ({
        name: "set_user",
        args: { cert: readText(user.cert), user_data: { isAdmin: user === users[0] } },
      }));
      const actions = [
        ...setUsers,
        logFailuresAction,
        deployAction(bundle),
        openAction(serviceCertificate),
      ];
      await agree(connections, { actions });
      await waitUntilOpen(connections[0]!);
    },
    deploy: (bundle) => agree(connections, { actions: [deployAction(bundle)] }),
    close: async () => {
      await Promise.all(connections.map((connection) => connection.close()));
    },
  };
}

/** The service's defaults, but the log shows why a handler failed. Answers stay as they are. */
const logFailuresAction = {
  name: "set_js_runtime_options",
  args: {
    max_heap_bytes: 100 * 1024 * 1024,
    max_stack_bytes: 1024 * 1024,
    max_execution_time_ms: 5000,
    log_exception_details: true,
    return_exception_details: false,
  },
};

function deployAction(bundle: AppBundle) {
  return { name: "set_js_app", args: { bundle, disable_bytecode_cache: false } };
}

function openAction(serviceCertificate: string) {
  return {
    name: "transition_service_to_open",
    args: { next_service_identity: serviceCertificate },
  };
}

/** Member 0 proposes; all vote yes until the constitution accepts. */
async function agree(
  connections: readonly Connection[],
  body: ProposalBody,
): Promise<ProposalInfo> {
  let proposal = await connections[0]!.governance.propose(body);
  for (const { governance } of connections) {
    if (proposal.proposalState !== "Open") break;
    proposal = await governance.vote(proposal.proposalId, "yes");
  }
  if (proposal.proposalState === "Accepted") return proposal;
  const detail = `${proposal.proposalId} is ${proposal.proposalState}`;
  throw cliErrors.create("ProposalNotAccepted", detail);
}

const openTimeoutMs = 15_000;

/** A node says Open a little before its application answers. */
async function waitUntilOpen(connection: Connection): Promise<void> {
  const deadlineMs = Date.now() + openTimeoutMs;
  for (;;) {
    const answer = await connection.request("/node/ready/app");
    if (answer.status === 204) return;
    if (Date.now() > deadlineMs) {
      const detail = `the service is not open after ${openTimeoutMs / 1000} s`;
      throw cliErrors.create("SandboxFailed", detail);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
