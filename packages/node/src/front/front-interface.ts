/** One RPC interface: its listening socket, its TLS settings, its sessions limits and filter. */
import { constants } from "node:crypto";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import {
  createServer as createTlsServer,
  type TLSSocket,
  type Server as TlsServer,
} from "node:tls";
import type { Log } from "@coco/base";
import { frontErrors } from "./errors.ts";
import type { FrontCounters } from "./front-counters.ts";
import type { FrontCertificate, FrontInterfaceOptions } from "./front-options.ts";

/** What an interface needs of its front. */
export interface FrontInterfaceHost {
  readonly index: number;
  readonly counters: FrontCounters;
  readonly handshakeTimeoutMs: number;
  readonly isPortShared: boolean;
  readonly log: Log;
  /** A session is ready to be read. */
  accept(socket: Socket | TLSSocket, isOverSoftMax: boolean): void;
}

/** Accepts connections and hands over sessions whose handshake is done. */
export class FrontInterface {
  readonly options: FrontInterfaceOptions;
  private readonly host: FrontInterfaceHost;
  private readonly server: Server;
  private tlsServer: TlsServer | undefined = undefined;
  private readonly sockets = new Set<Socket>();
  private readonly filters: readonly RegExp[];
  private readonly accepted = new Map<string, boolean>();
  private hasLoggedCap = false;

  constructor(options: FrontInterfaceOptions, host: FrontInterfaceHost) {
    this.options = options;
    this.host = host;
    // A client may end its side after its last request and still read the answers.
    const settings = { noDelay: true, allowHalfOpen: true };
    this.server = createTcpServer(settings, (socket) => this.connect(socket));
    this.filters = (options.acceptedEndpoints ?? []).map((text) => new RegExp(`^(?:${text})$`));
  }

  /** True when some paths are not served here; an unsecured interface serves only listed ones. */
  get hasEndpointFilter(): boolean {
    return this.options.acceptedEndpoints !== undefined || this.options.authority === "Unsecured";
  }

  /** Whether the path of `target` is served here. */
  accepts(target: string): boolean {
    const mark = target.indexOf("?");
    const path = mark < 0 ? target : target.slice(0, mark);
    const known = this.accepted.get(path);
    if (known !== undefined) return known;
    const isAccepted = this.filters.some((filter) => filter.test(path));
    if (this.accepted.size >= acceptedCountMax) this.accepted.clear();
    this.accepted.set(path, isAccepted);
    return isAccepted;
  }

  /** @throws {CocoError} AddressInUse, AddressNotAvailable, PortSharingNotSupported */
  listen(): Promise<string> {
    const { host, port, name } = this.options;
    if (this.host.isPortShared && !canSharePorts(process.versions.node)) {
      const detail = `interface ${name} on Node ${process.versions.node}`;
      return Promise.reject(frontErrors.create("PortSharingNotSupported", detail));
    }
    return new Promise((resolve, reject) => {
      this.server.once("error", (error: NodeJS.ErrnoException) => {
        const code = error.code === "EADDRINUSE" ? "AddressInUse" : "AddressNotAvailable";
        const detail = `${name} on ${host}:${port}`;
        reject(frontErrors.create(code, detail, { cause: error.code ?? "unknown" }, error));
      });
      // reusePort is not in the types of Node 20.
      const listenOptions = { host, port, backlog: 1024, reusePort: this.host.isPortShared };
      this.server.listen(listenOptions, () => {
        const address = this.server.address();
        const listeningPort = typeof address === "object" && address !== null ? address.port : port;
        resolve(`${host.includes(":") ? `[${host}]` : host}:${listeningPort}`);
      });
    });
  }

  /** New handshakes use the certificate; sessions that are open stay. */
  setCertificate(certificate: FrontCertificate): void {
    const context = { cert: certificate.certificatePem, key: certificate.keyPem };
    try {
      if (this.tlsServer === undefined) this.tlsServer = this.createTlsServer(certificate);
      else this.tlsServer.setSecureContext({ ...tlsSettings, ...context });
    } catch (error) {
      const detail = `interface ${this.options.name}`;
      throw frontErrors.create("BadTlsCertificate", detail, {}, error);
    }
  }

  /** Stops accepting; resolves when all connections are gone. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.server.listening) this.server.close(() => resolve());
      else resolve();
    });
  }

  /** Cuts connections, whether their handshake is done or not. */
  destroyHandshakes(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private connect(socket: Socket): void {
    const { counters, index } = this.host;
    const { authority, sessionsHardMax } = this.options;
    const isReady = authority === "Unsecured" || this.tlsServer !== undefined;
    if (!isReady || this.sockets.size >= sessionsHardMax) {
      if (isReady) {
        counters.addInterface(index, "refusedHard", 1);
        this.logCap("refuses connections", sessionsHardMax);
      }
      socket.destroy();
      return;
    }
    this.sockets.add(socket);
    counters.changeActive(index, 1);
    socket.once("close", () => {
      this.sockets.delete(socket);
      counters.changeActive(index, -1);
    });
    socket.on("error", () => socket.destroy());
    if (authority === "Unsecured") this.accept(socket);
    else this.tlsServer?.emit("connection", socket);
  }

  private accept(socket: Socket | TLSSocket): void {
    const { sessionsSoftMax } = this.options;
    const isOverSoftMax = this.sockets.size > sessionsSoftMax;
    if (isOverSoftMax) {
      this.host.counters.addInterface(this.host.index, "refusedSoft", 1);
      this.logCap("answers new sessions with 503", sessionsSoftMax);
    } else if (this.sockets.size < sessionsSoftMax / 2) {
      this.hasLoggedCap = false;
    }
    this.host.accept(socket, isOverSoftMax);
  }

  /** One line per crowd, not one per connection. */
  private logCap(reaction: string, limit: number): void {
    if (this.hasLoggedCap) return;
    this.hasLoggedCap = true;
    const facts = { interface: this.options.name, limit };
    this.host.log("warn", `an interface has too many sessions and ${reaction}`, facts);
  }

  private createTlsServer(certificate: FrontCertificate): TlsServer {
    const server = createTlsServer({
      ...tlsSettings,
      cert: certificate.certificatePem,
      key: certificate.keyPem,
      requestCert: true,
      // Who a certificate speaks for is decided from the ledger, not from a certificate authority.
      rejectUnauthorized: false,
      handshakeTimeout: this.host.handshakeTimeoutMs,
    });
    server.on("secureConnection", (socket) => this.accept(socket));
    server.on("tlsClientError", (_error, socket) => {
      this.host.counters.add("handshakeFailures", 1);
      socket.destroy();
    });
    return server;
  }
}

/** X25519 comes first because a P-384 exchange costs the server some 3 ms more. */
const tlsSettings = {
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.3",
  ecdhCurve: "X25519:P-256:P-384:P-521",
  ciphers: [
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
  ].join(":"),
  honorCipherOrder: true,
  secureOptions: constants.SSL_OP_NO_COMPRESSION | constants.SSL_OP_NO_RENEGOTIATION,
} as const;

const acceptedCountMax = 1000;

/** Whether several threads can listen on one port: from Node 22.12 on. */
export function canSharePorts(nodeVersion: string): boolean {
  const [major = 0, minor = 0] = nodeVersion.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 12);
}
