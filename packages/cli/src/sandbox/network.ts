/** Brings a started node to an open service: acknowledgements or shares, users, app, opening. */
import { createNodeCrypto } from "@coco/base/node";
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
  /**
   * Votes a recovered service open and submits the members' shares; then lets the users in.
   * @param previousService PEM
   */
  recover(previousService: string, users: readonly SandboxUser[]): Promise<void>;
  /** What is deployed. */
  bundle(): Promise<AppBundle>;
  /** Votes in the nodes that wait to be trusted. */
  trustPendingNodes(): Promise<void>;
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
    recover: async (previousService, users) => {
      await agree(connections, { actions: [openAction(serviceCertificate, previousService)] });
      await submitShares(connections, options.members);
      await waitUntilOpen(connections[0]!);
      await agree(connections, { actions: setUsers(users) });
    },
    bundle: async () => {
      const path = "/gov/service/javascript-app?api-version=2024-07-01&case=original";
      return (await connections[0]!.request(path)).json<AppBundle>();
    },
    open: async (users, bundle) => {
      const actions = [
        ...setUsers(users),
        logFailuresAction,
        deployAction(bundle),
        openAction(serviceCertificate),
      ];
      await agree(connections, { actions });
      await waitUntilOpen(connections[0]!);
    },
    trustPendingNodes: async () => {
      const path = "/node/network/nodes?status=Pending";
      const { nodes } = (await connections[0]!.request(path)).json<{
        nodes: readonly { node_id: string }[];
      }>();
      for (const { node_id } of nodes) await agree(connections, { actions: [trust(node_id)] });
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

function setUsers(users: readonly SandboxUser[]) {
  return users.map((user) => ({
    name: "set_user",
    args: { cert: readText(user.cert), user_data: { isAdmin: user === users[0] } },
  }));
}

function openAction(serviceCertificate: string, previousService?: string) {
  return {
    name: "transition_service_to_open",
    args: {
      ...(previousService !== undefined && { previous_service_identity: previousService }),
      next_service_identity: serviceCertificate,
    },
  };
}

function trust(nodeId: string) {
  // A minute back, for clients whose clocks are late.
  const validFrom = new Date(Date.now() - 60_000).toISOString();
  return { name: "transition_node_to_trusted", args: { node_id: nodeId, valid_from: validFrom } };
}

/** As many members as are needed decrypt their shares and submit them. */
async function submitShares(
  connections: readonly Connection[],
  members: readonly SandboxMember[],
): Promise<void> {
  const crypto = createNodeCrypto();
  for (const [index, { governance }] of connections.entries()) {
    const { id, encryptionKey } = members[index]!;
    const encrypted = await governance.encryptedRecoveryShare(id);
    const share = crypto.unwrapRsaOaep(readText(encryptionKey), encrypted);
    const { submittedCount, recoveryThreshold } = await governance.submitRecoveryShare(share);
    if (submittedCount >= recoveryThreshold) return;
  }
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
