import type { OnReadOpts } from "node:net";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { testkitErrors } from "../errors.ts";
import { type LoadResponse, ResponseParser } from "./response-parser.ts";

/** Where to connect and as whom. */
export interface LoadTarget {
  /** `https://host:port`. */
  readonly url: string;
  /** PEM of the service certificate; undefined accepts any server. */
  readonly serviceCertificate?: string | undefined;
  /** PEM of the client certificate and its key. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

export type ResponseHandler = (response: LoadResponse) => void;

/**
 * All connections of the generator read into this one buffer: a read is parsed before the next
 * one begins.
 */
const readBuffer = Buffer.allocUnsafe(65_536);

/** A keep-alive TLS connection that sends ready-made bytes and reports answers in their order. */
export class LoadConnection {
  /** Whoever uses the connection at the moment sets it. */
  onResponse: ResponseHandler | undefined;
  onError: ((error: Error) => void) | undefined;
  #socket: TLSSocket | undefined;
  #error: Error | undefined;
  readonly #parser: ResponseParser;

  private constructor() {
    this.#parser = new ResponseParser((response) => this.onResponse?.(response));
  }

  /** @throws {CocoError} ConnectionLost */
  static open(target: LoadTarget): Promise<LoadConnection> {
    const { hostname, port } = new URL(target.url);
    const host = hostname.replace(/^\[|\]$/g, "");
    const connection = new LoadConnection();
    return new Promise((resolve, reject) => {
      connection.onError = reject;
      const options: ConnectionOptions & { readonly onread: OnReadOpts } = {
        host,
        port: Number(port === "" ? 443 : port),
        ALPNProtocols: ["http/1.1"],
        rejectUnauthorized: target.serviceCertificate !== undefined,
        ...(target.serviceCertificate !== undefined && { ca: target.serviceCertificate }),
        ...(target.certificate !== undefined && { cert: target.certificate, key: target.key }),
        // Reading without the stream machinery halves the cost of an answer.
        onread: {
          buffer: readBuffer,
          callback: (sizeBytes: number, bytes: Uint8Array) =>
            connection.#read(bytes as Buffer, sizeBytes),
        },
      };
      const socket = connect(options);
      connection.#socket = socket;
      socket.setNoDelay(true);
      socket.once("secureConnect", () => resolve(connection));
      socket.on("error", (cause) => connection.#fail(cause));
      socket.on("close", () => connection.#fail(new Error("closed by the node")));
    });
  }

  /** Sends the bytes of one whole request; returns the copy that it made of them. */
  send(bytes: Uint8Array): Uint8Array {
    const copy = Buffer.from(bytes);
    this.#socket!.write(copy);
    return copy;
  }

  /** Sends one request and waits for its answer; for a connection that is otherwise idle. */
  ask(bytes: Uint8Array): Promise<LoadResponse> {
    return new Promise((resolve, reject) => {
      if (this.#error !== undefined) {
        reject(this.#error);
        return;
      }
      this.onError = reject;
      this.onResponse = (response) => resolve({ ...response, body: response.body.slice() });
      this.send(bytes);
    });
  }

  close(): void {
    this.onError = undefined;
    this.#socket?.destroy();
  }

  #read(bytes: Buffer, sizeBytes: number): boolean {
    try {
      this.#parser.push(bytes.subarray(0, sizeBytes));
    } catch (error) {
      this.#fail(error as Error);
      this.#socket?.destroy();
    }
    return true;
  }

  #fail(cause: Error): void {
    if (this.#error !== undefined) return;
    this.#error = testkitErrors.create("ConnectionLost", cause.message, {}, cause);
    this.onError?.(this.#error);
  }
}
