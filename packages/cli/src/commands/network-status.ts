/** `coco network status` */
import { connectNode } from "@coco/client/node";
import type { OptionValues } from "../command.ts";
import { withConnection } from "../connection.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";

interface NodeRow {
  readonly node_id: string;
  readonly status: string;
  readonly primary: boolean;
  readonly rpc_interfaces: Readonly<
    Record<string, { readonly published_address?: string; readonly bind_address: string }>
  >;
}

interface NodeStatus {
  readonly nodeId: string;
  readonly address: string;
  readonly status: string;
  /** `Leader`, `Follower`, ...; `unreachable` when the node does not answer. */
  readonly role: string;
  /** Last committed transaction that the node knows. */
  readonly committed: string;
  readonly attestation: string;
}

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  await withConnection(options, undefined, async (connection) => {
    const ask = async <Body>(path: string): Promise<Body> =>
      (await connection.query(path)).json<Body>();
    const network = await ask<{ service_status: string; service_certificate: string }>(
      "/node/network",
    );
    const { nodes } = await ask<{ nodes: readonly NodeRow[] }>("/node/network/nodes");
    const { attestations } = await ask<{
      attestations: readonly { node_id: string; format: string }[];
    }>("/node/attestations");
    const formats = new Map(attestations.map(({ node_id, format }) => [node_id, format]));
    const rows = await Promise.all(
      nodes.map((node) =>
        findStatus(node, network.service_certificate, formats.get(node.node_id) ?? ""),
      ),
    );
    if (options["json"] === true) {
      context.out(toJsonLine({ serviceStatus: network.service_status, nodes: rows }));
      return;
    }
    context.out(`service ${network.service_status}\n`);
    const head = ["node", "address", "status", "role", "committed", "attestation"];
    context.out(
      toTable([
        head,
        ...rows.map((row) => [
          row.nodeId.slice(0, 12),
          row.address,
          row.status,
          row.role,
          row.committed,
          row.attestation,
        ]),
      ]),
    );
  });
}

/** Each node is asked itself: only it knows how far it is. */
async function findStatus(
  node: NodeRow,
  serviceCertificate: string,
  format: string,
): Promise<NodeStatus> {
  const [rpc] = Object.values(node.rpc_interfaces);
  const address = rpc?.published_address ?? rpc?.bind_address ?? "";
  const known = { nodeId: node.node_id, address, status: node.status, attestation: format };
  const connection = connectNode({ url: `https://${address}`, serviceCertificate });
  try {
    const consensus = (await connection.query("/node/consensus")).json<{
      details: { leadership_state: string };
    }>();
    const commit = (await connection.query("/node/commit")).json<{ transaction_id: string }>();
    const role = consensus.details.leadership_state;
    return { ...known, role, committed: commit.transaction_id };
  } catch {
    return { ...known, role: "unreachable", committed: "" };
  } finally {
    await connection.close();
  }
}
