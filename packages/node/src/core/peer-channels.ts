/**
 * Channels between nodes: TLS 1.3 with the node's key on both sides; of two connections one is
 * enough. A frame is a length of 4 bytes (of what follows, big-endian), a byte for the kind, and
 * the content. Who may connect is decided by the public key that the handshake has proven.
 */
import { createHash, type X509Certificate } from "node:crypto";
import type { AddressInfo } from "node:net";
import { connect, createServer, type Server, type TLSSocket } from "node:tls";
import { isCocoError, type Log } from "@coco/base";
import { nodeErrors } from "./errors.ts";

/** What a frame holds. */
export const frameKind = {
  /** Two bytes for the size of the engine's message, the message, entries of the ledger. */
  consensus: 1,
  /** A batch of forwarded requests. */
  requests: 2,
  /** Answers to them. */
  responses: 3,
  /** Forwarded requests were not executed: their ids, 4 bytes each, big-endian. */
  returned: 4,
} as const;

export interface PeerChannelsOptions {
  /** PEM. */
  readonly certificate: () => string;
  readonly keyPem: string;
  readonly bindAddress: string;
  /** `host:port` of a node; undefined while it is not known. */
  readonly addressOf: (nodeId: string) => string | undefined;
  /** @returns why a node with this key may not connect; undefined when it may */
  readonly refusalOf: (nodeId: string, certificate: X509Certificate) => string | undefined;
  readonly onFrame: (from: string, kind: number, content: Buffer) => void;
  /** The connection to a node is gone: what was sent may not have come. */
  readonly onLost: (nodeId: string) => void;
  readonly log: Log;
  readonly onError: (error: unknown) => void;
}

interface Peer {
  readonly nodeId: string;
  socket: TLSSocket | undefined;
  isReady: boolean;
  retryMs: number;
  timer: NodeJS.Timeout | undefined;
}

const frameSizeBytesMax = 128 * 1024 * 1024;
const headerBytes = 5;
/** Bytes that may wait for one connection; more is dropped, and offered again by the engine. */
const waitingBytesMax = 32 * 1024 * 1024;
const retryMsMin = 20;
const retryMsMax = 1000;
const handshakeTimeoutMs = 5000;
const incomingCountMax = 512;

/** Hex SHA-256 of the public key in a certificate. */
function toNodeId(certificate: X509Certificate): string {
  const der = certificate.publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest("hex");
}

export class PeerChannels {
  readonly #options: PeerChannelsOptions;
  readonly #peers = new Map<string, Peer>();
  /** With the node at the other end. */
  readonly #incoming = new Map<TLSSocket, string>();
  #server: Server | undefined;
  #isStopped = false;
  /** Figures for metrics. */
  readonly stats = {
    sentBytes: 0,
    receivedBytes: 0,
    droppedCount: 0,
    refusedCount: 0,
    connectCount: 0,
  };

  constructor(options: PeerChannelsOptions) {
    this.#options = options;
  }

  /** Begins to listen. */
  listen(): void {
    const { bindAddress, log } = this.#options;
    const server = this.#createServer();
    this.#server = server;
    const colon = bindAddress.lastIndexOf(":");
    const host = bindAddress.slice(0, colon).replace(/^\[|\]$/g, "");
    server.listen({ host, port: Number(bindAddress.slice(colon + 1)) }, () => {
      const { port } = server.address() as AddressInfo;
      log("debug", "listening for other nodes", { address: `${host}:${port}` });
    });
  }

  #createServer(): Server {
    const options = this.#options;
    const server = createServer({
      cert: options.certificate(),
      key: options.keyPem,
      minVersion: "TLSv1.3",
      requestCert: true,
      // Certificates are judged by key below; the handshake proves possession of the key.
      rejectUnauthorized: false,
      handshakeTimeout: handshakeTimeoutMs,
    });
    server.maxConnections = incomingCountMax;
    server.on("secureConnection", (socket) => this.#accept(socket));
    server.on("tlsClientError", (error) => {
      options.log("debug", "handshake between nodes failed", { error: error.message });
    });
    server.on("error", (error) => options.onError(error));
    return server;
  }

  /** The node's certificate was renewed: handshakes from now on show the new one. */
  renewCertificate(): void {
    const { certificate, keyPem } = this.#options;
    this.#server?.setSecureContext({ cert: certificate(), key: keyPem, minVersion: "TLSv1.3" });
  }

  /** Nodes with an open connection to them. */
  get connectedCount(): number {
    return [...this.#peers.values()].filter(({ isReady }) => isReady).length;
  }

  /** Keeps connections to exactly these nodes. */
  setPeers(nodeIds: readonly string[]): void {
    for (const [nodeId, peer] of this.#peers) {
      if (nodeIds.includes(nodeId)) continue;
      this.#peers.delete(nodeId);
      clearTimeout(peer.timer);
      peer.socket?.end();
    }
    for (const nodeId of nodeIds) {
      if (!this.#peers.has(nodeId)) this.#connect(this.#addPeer(nodeId));
    }
  }

  /** @returns whether the frame is on its way; it may still be lost */
  send(nodeId: string, kind: number, parts: readonly Uint8Array[]): boolean {
    const socket = this.#socketTo(nodeId);
    if (socket === undefined || socket.writableLength > waitingBytesMax) {
      this.stats.droppedCount++;
      return false;
    }
    const sizeBytes = parts.reduce((sum, { length }) => sum + length, 1);
    const header = Buffer.allocUnsafe(headerBytes);
    header.writeUInt32BE(sizeBytes, 0);
    header[4] = kind;
    // One record for what is small; large entries are not copied.
    if (sizeBytes < 16_384) socket.write(Buffer.concat([header, ...parts]));
    else {
      socket.cork();
      socket.write(header);
      for (const part of parts) socket.write(part);
      process.nextTick(() => socket.uncork());
    }
    this.stats.sentBytes += sizeBytes + 4;
    return true;
  }

  /** A node that joins hears of the address of its primary only from that primary's entries. */
  #socketTo(nodeId: string): TLSSocket | undefined {
    const peer = this.#peers.get(nodeId);
    if (peer?.isReady === true) return peer.socket;
    for (const [socket, from] of this.#incoming) if (from === nodeId) return socket;
    return undefined;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const closed = [...this.#peers.values()].map(({ socket, timer }) => {
      clearTimeout(timer);
      return new Promise<void>((resolve) => {
        if (socket === undefined || socket.destroyed) resolve();
        else socket.end(() => resolve());
      });
    });
    const patience = new Promise<void>((resolve) => setTimeout(resolve, 200));
    await Promise.race([Promise.all(closed), patience]);
    for (const { socket } of this.#peers.values()) socket?.destroy();
    for (const socket of this.#incoming.keys()) socket.destroy();
    this.#server?.close();
  }

  #addPeer(nodeId: string): Peer {
    const peer: Peer = {
      nodeId,
      socket: undefined,
      isReady: false,
      retryMs: retryMsMin,
      timer: undefined,
    };
    this.#peers.set(nodeId, peer);
    return peer;
  }

  #connect(peer: Peer): void {
    if (this.#isStopped || this.#peers.get(peer.nodeId) !== peer) return;
    const address = this.#options.addressOf(peer.nodeId);
    const colon = address?.lastIndexOf(":") ?? -1;
    if (address === undefined || colon < 0) {
      this.#retry(peer);
      return;
    }
    const socket = connect({
      host: address.slice(0, colon).replace(/^\[|\]$/g, ""),
      port: Number(address.slice(colon + 1)),
      cert: this.#options.certificate(),
      key: this.#options.keyPem,
      minVersion: "TLSv1.3",
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
    peer.socket = socket;
    this.stats.connectCount++;
    socket.setNoDelay(true);
    socket.setTimeout(handshakeTimeoutMs, () => {
      if (!peer.isReady) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("secureConnect", () => {
      const certificate = socket.getPeerX509Certificate();
      const nodeId = certificate === undefined ? "" : toNodeId(certificate);
      if (nodeId !== peer.nodeId) {
        this.stats.refusedCount++;
        this.#options.log("warn", "another node answers", { expected: peer.nodeId, address });
        socket.destroy();
        return;
      }
      peer.isReady = true;
      peer.retryMs = retryMsMin;
      this.#read(socket, nodeId, certificate!);
    });
    socket.on("close", () => {
      const wasReady = peer.isReady;
      peer.isReady = false;
      peer.socket = undefined;
      if (wasReady) this.#options.onLost(peer.nodeId);
      this.#retry(peer);
    });
  }

  #retry(peer: Peer): void {
    if (this.#isStopped) return;
    peer.timer = setTimeout(() => this.#connect(peer), peer.retryMs);
    peer.retryMs = Math.min(retryMsMax, peer.retryMs * 2);
  }

  #accept(socket: TLSSocket): void {
    socket.on("error", () => undefined);
    const certificate = socket.getPeerX509Certificate();
    const nodeId = certificate === undefined ? "" : toNodeId(certificate);
    const refusal =
      certificate === undefined
        ? "it showed no certificate"
        : this.#options.refusalOf(nodeId, certificate);
    if (refusal !== undefined) {
      this.#refuse(socket, nodeId, refusal);
      return;
    }
    this.#incoming.set(socket, nodeId);
    socket.setNoDelay(true);
    this.#read(socket, nodeId, certificate!);
    socket.on("close", () => this.#incoming.delete(socket));
  }

  #read(socket: TLSSocket, nodeId: string, certificate: X509Certificate): void {
    const frames = new FrameReader((kind, content) => {
      // Trust can end while a connection lasts.
      const reason = this.#options.refusalOf(nodeId, certificate);
      if (reason === undefined) this.#options.onFrame(nodeId, kind, content);
      else this.#refuse(socket, nodeId, reason);
    });
    socket.on("data", (data: Buffer) => {
      this.stats.receivedBytes += data.length;
      try {
        frames.push(data);
      } catch (error) {
        if (!isCocoError(error)) this.#options.onError(error);
        else this.#refuse(socket, nodeId, error.message);
      }
    });
  }

  #refuse(socket: TLSSocket, nodeId: string, reason: string): void {
    this.stats.refusedCount++;
    const { code, message } = nodeErrors.create("PeerRefused", reason);
    this.#options.log("warn", message, { code, from: nodeId });
    socket.destroy();
  }
}

/** Puts frames together from what arrives. */
export class FrameReader {
  readonly #onFrame: (kind: number, content: Buffer) => void;
  #parts: Buffer[] = [];
  #sizeBytes = 0;
  #wantedBytes = headerBytes;

  constructor(onFrame: (kind: number, content: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  /** @throws {CocoError} PeerMisbehaved */
  push(data: Buffer): void {
    this.#parts.push(data);
    this.#sizeBytes += data.length;
    if (this.#sizeBytes < this.#wantedBytes) return;
    const bytes = this.#parts.length === 1 ? data : Buffer.concat(this.#parts);
    let offset = 0;
    this.#wantedBytes = headerBytes;
    while (offset + headerBytes <= bytes.length) {
      const sizeBytes = bytes.readUInt32BE(offset);
      if (sizeBytes === 0 || sizeBytes > frameSizeBytesMax) {
        throw nodeErrors.create("PeerMisbehaved", `a frame of ${sizeBytes} bytes`);
      }
      const end = offset + 4 + sizeBytes;
      if (end > bytes.length) {
        this.#wantedBytes = end - offset;
        break;
      }
      this.#onFrame(bytes[offset + 4]!, bytes.subarray(offset + headerBytes, end));
      offset = end;
    }
    this.#parts = offset < bytes.length ? [bytes.subarray(offset)] : [];
    this.#sizeBytes = bytes.length - offset;
  }
}
