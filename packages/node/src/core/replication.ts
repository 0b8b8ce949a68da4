/** Ties the consensus engine of an executor to its ledger and to the other nodes. */
import type { X509Certificate } from "node:crypto";
import { bytesToLatin1, isCocoError, type Log, latin1ToBytes } from "@coco/base";
import type { RoleChange } from "@coco/consensus";
import { governanceTables } from "@coco/governance";
import {
  type Changes,
  ledgerTable,
  readNodeSecrets,
  singletonKey,
  type Transaction,
} from "@coco/store";
import {
  ConsensusDriver,
  type DrivenLedger,
  type ReceivedEntry,
  tickMs,
} from "./consensus-driver.ts";
import { EntrySupply } from "./entry-supply.ts";
import { verifyReceived } from "./entry-verification.ts";
import type { ExecutorData } from "./executor-messages.ts";
import { Membership } from "./membership.ts";
import { frameKind, PeerChannels } from "./peer-channels.ts";
import type { ServiceState } from "./service-state.ts";

export interface ReplicationOptions {
  readonly data: ExecutorData;
  readonly state: ServiceState;
  readonly log: Log;
  readonly ledger: () => DrivenLedger;
  /** PEM, as renewed last. */
  readonly serviceCertificate: () => string;
  readonly nodeCertificate: () => string;
  readonly onSecretsChanged: () => void;
  readonly onRoleChange: (change: RoleChange) => void;
  readonly onRetired: (nodes: readonly string[]) => void;
  /** A frame that is not of consensus. */
  readonly onFrame: (from: string, kind: number, content: Buffer) => void;
  readonly onLost: (nodeId: string) => void;
  readonly onError: (error: unknown) => void;
}

/** Bytes of a consensus frame before the engine's message: its size. */
const messageSizeBytes = 2;
const handOverMs = 500;

export class Replication {
  readonly membership = new Membership();
  readonly supply: EntrySupply;
  readonly driver: ConsensusDriver;
  readonly channels: PeerChannels;
  readonly #options: ReplicationOptions;
  /** As of when the peers were last looked up. */
  #knownNodes: unknown;
  readonly #refusals = new Map<string, string | undefined>();

  constructor(options: ReplicationOptions) {
    this.#options = options;
    const { data, state, log } = options;
    const { engine } = state;
    const { ledgerDirectory, ledgerReadOnlyDirectories, nodeToNodeInterface } = data.settings;
    // The transaction that creates a service names its nodes anew.
    if (state.genesis === undefined) this.membership.load(state.store);
    this.supply = new EntrySupply({
      directories: [ledgerDirectory, ...ledgerReadOnlyDirectories],
      viewOf: (seqno) => engine.viewOf(seqno),
    });
    this.channels = new PeerChannels({
      certificate: options.nodeCertificate,
      keyPem: data.secrets.nodeKeyPem,
      bindAddress: nodeToNodeInterface.bind_address,
      addressOf: (nodeId) => this.membership.nodes.get(nodeId)?.nodeAddress,
      refusalOf: (nodeId, certificate) => this.#refusalOf(nodeId, certificate),
      onFrame: (from, kind, content) => this.#takeFrame(from, kind, content),
      onLost: options.onLost,
      log,
      onError: options.onError,
    });
    this.driver = new ConsensusDriver({
      engine,
      membership: this.membership,
      supply: this.supply,
      ledger: options.ledger,
      send: (to, message, entries) => this.#send(to, message, entries),
      // A node whose executor dies beside other nodes does not go on: nothing can be forgotten.
      saveVote: () => undefined,
      onRoleChange: (change) => this.#changeRole(change),
      onRetired: options.onRetired,
      onError: options.onError,
      log,
      nowMs: () => performance.now(),
    });
  }

  /** Nodes beside this one that take part, or still have to hear that they do not. */
  get peerIds(): readonly string[] {
    const { nodeId } = this.#options.state;
    const ids: string[] = [];
    for (const [id, { status, isRetiredCommitted }] of this.membership.nodes) {
      if (id !== nodeId && status !== "Pending" && !isRetiredCommitted) ids.push(id);
    }
    return ids;
  }

  start(): void {
    this.channels.listen();
    this.refreshPeers();
    this.driver.start();
  }

  async stop(): Promise<void> {
    this.driver.stop();
    await this.channels.stop();
  }

  /** A primary that stops asks another node to take over, and waits a moment for it. */
  async handOver(): Promise<void> {
    const { engine } = this.#options.state;
    if (engine.role !== "primary" || this.peerIds.length === 0) return;
    engine.nominateSuccessor();
    this.driver.carryOut();
    const endMs = performance.now() + handOverMs;
    while (engine.role === "primary" && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, tickMs));
    }
  }

  /** @throws {CocoError} LedgerNotOurs and of the ledger formats */
  verify(received: ReceivedEntry): Changes {
    const { crypto, secrets, writer, serviceKey, createSeqno } = this.#options.state;
    const changes = verifyReceived(
      {
        crypto,
        secrets,
        tree: writer.tree,
        servicePublicKey: serviceKey.publicKey,
        createSeqno,
      },
      received,
    );
    this.#takeSecrets(received.entry.txId.seqno, changes);
    return changes;
  }

  /** A re-key sends the new secret to each node, wrapped to its key. */
  #takeSecrets(seqno: number, changes: Changes): void {
    const table = changes.find(({ name }) => name === ledgerTable.encryptedSecrets);
    const value = table?.writes.get(bytesToLatin1(singletonKey));
    if (value === undefined) return;
    const { data, state, onSecretsChanged } = this.#options;
    for (const sent of readNodeSecrets(latin1ToBytes(value), state.nodeId)) {
      state.secrets.add({
        version: sent.version ?? seqno + 1,
        key: state.crypto.unwrapRsaOaep(data.secrets.nodeEncryptionKeyPem, sent.encrypted),
        previousSecretStoredVersion: sent.previousSecretStoredVersion,
      });
    }
    onSecretsChanged();
  }

  /** Connects to the nodes that the ledger names now. */
  refreshPeers(): void {
    if (this.membership.nodes === this.#knownNodes) return;
    this.#knownNodes = this.membership.nodes;
    this.#refusals.clear();
    const { peerIds } = this;
    this.supply.isActive = peerIds.length > 0;
    this.channels.setPeers(peerIds);
  }

  #changeRole(change: RoleChange): void {
    const { log, onRoleChange } = this.#options;
    const { role, view, primaryId } = change;
    log("info", "role", { role, view, ...(primaryId === undefined ? {} : { primaryId }) });
    this.refreshPeers();
    onRoleChange(change);
  }

  #send(to: string, message: Uint8Array, entries: readonly Uint8Array[]): void {
    this.refreshPeers();
    const size = Buffer.allocUnsafe(messageSizeBytes);
    size.writeUInt16BE(message.length);
    this.channels.send(to, frameKind.consensus, [size, message, ...entries]);
  }

  #takeFrame(from: string, kind: number, content: Buffer): void {
    if (kind !== frameKind.consensus) {
      this.#options.onFrame(from, kind, content);
      return;
    }
    const end = content.length < 2 ? 0 : messageSizeBytes + content.readUInt16BE(0);
    if (end === 0 || end > content.length) return;
    const message = content.subarray(messageSizeBytes, end);
    this.driver.receive(from, message, content.subarray(end));
    this.refreshPeers();
  }

  #refusalOf(nodeId: string, certificate: X509Certificate): string | undefined {
    this.refreshPeers();
    if (!this.#refusals.has(nodeId)) {
      this.#refusals.set(nodeId, this.#judge(nodeId, certificate));
    }
    return this.#refusals.get(nodeId);
  }

  /** The table of nodes decides; who it does not name yet needs the service's endorsement. */
  #judge(nodeId: string, certificate: X509Certificate): string | undefined {
    const known = this.membership.nodes.get(nodeId);
    if (known?.status === "Trusted") return undefined;
    if (known?.status === "Retired") {
      return known.isRetiredCommitted ? `node ${nodeId} has retired` : undefined;
    }
    const { state, serviceCertificate } = this.#options;
    try {
      const shown = state.crypto.parse(new Uint8Array(certificate.raw));
      const isIssued = state.crypto.isIssuedBy(shown, state.crypto.parse(serviceCertificate()));
      return isIssued ? undefined : `node ${nodeId} is not trusted by the service`;
    } catch (error) {
      if (!isCocoError(error)) throw error;
      return `node ${nodeId} has no certificate that can be read`;
    }
  }
}

/** Says in the ledger that the retirement of nodes is committed. */
export function markRetired(transaction: Transaction, nodeIds: readonly string[]): void {
  const nodes = governanceTables.nodeInfo.of(transaction);
  for (const nodeId of nodeIds) {
    const info = nodes.get(nodeId);
    if (info?.status !== "Retired" || info.retired_committed === true) continue;
    nodes.set(nodeId, { ...info, retired_committed: true });
  }
}
