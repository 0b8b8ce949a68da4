/** What providers and sources need from the world; tests give fakes. */
import type { Clock } from "@coco/base";

/** An open device that answers each command with one message. */
export interface DeviceChannel {
  exchange(command: Uint8Array, answerSizeBytesMax: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Files of the kernel. Failures are errors with a `code` such as ENOENT, as node:fs gives them. */
export interface DeviceFiles {
  exists(path: string): Promise<boolean>;
  /** Reads to the end, whatever size the file claims; longer than the limit: code EFBIG. */
  read(path: string, sizeBytesMax: number): Promise<Uint8Array>;
  /** One write call: attributes of configfs take effect as a whole. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  list(directory: string): Promise<readonly string[]>;
  makeDirectory(path: string): Promise<void>;
  removeDirectory(path: string): Promise<void>;
  open(path: string): Promise<DeviceChannel>;
}

export interface HttpRequest {
  readonly method?: "GET" | "POST";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

/** Never follows redirects; answers are bounded in size and time. Throws HttpFailed. */
export type HttpExchange = (request: HttpRequest) => Promise<HttpAnswer>;

/** Runs a program without a shell; resolves to its standard output. */
export type RunProgram = (path: string, parameters: readonly string[]) => Promise<Uint8Array>;

export interface AttestationPorts {
  readonly files: DeviceFiles;
  readonly http: HttpExchange;
  readonly clock: Clock;
  readonly delay: (timeMs: number) => Promise<void>;
  readonly run: RunProgram;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** As process.platform names it. */
  readonly system: string;
}
