/** A transport that answers from a function and remembers what it was sent. */
import { utf8ToBytes } from "@coco/base";
import type { Transport, TransportRequest } from "./transport.ts";

export interface StubAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text as it is, anything else as JSON. */
  readonly body?: unknown;
}

export interface StubTransport extends Transport {
  readonly requests: TransportRequest[];
}

export function createStubTransport(
  answer: (request: TransportRequest, index: number) => StubAnswer,
): StubTransport {
  const requests: TransportRequest[] = [];
  return {
    requests,
    send: async (request) => {
      requests.push(request);
      const { status = 200, headers = {}, body = "" } = answer(request, requests.length - 1);
      const text = typeof body === "string" ? body : JSON.stringify(body);
      return { status, headers, body: utf8ToBytes(text) };
    },
    close: async () => {},
  };
}
