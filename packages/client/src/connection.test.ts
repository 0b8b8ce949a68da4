import { bytesToUtf8 } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import { describe, expect, test } from "vitest";
import { connect } from "./connection.ts";
import { CommitError, ReceiptError, SubmitError } from "./errors.ts";
import { createStubTransport, type StubAnswer } from "./stub-transport.testing.ts";
import type { TransportRequest } from "./transport.ts";

/** A connection whose clock moves only while it sleeps. */
function open(answer: (request: TransportRequest, index: number) => StubAnswer) {
  const transport = createStubTransport(answer);
  let nowMs = 0;
  const connection = connect({
    transport,
    serviceCertificate: "",
    crypto: createNodeCrypto(),
    nowMs: () => nowMs,
    sleep: async (durationMs) => {
      nowMs += durationMs;
    },
  });
  return { connection, requests: transport.requests };
}

const written = { headers: { "x-ms-ccf-transaction-id": "2.17" }, body: true };

describe("submit and query", () => {
  // Goal: a body goes out as JSON, and the transaction id comes back.
  test("submit posts JSON and returns the transaction id", async () => {
    const { connection, requests } = open(() => written);
    const submitted = await connection.submit("/app/log/private", { body: { id: 1, msg: "a" } });
    expect(submitted.txId).toBe("2.17");
    expect(submitted.json()).toBe(true);
    expect(requests[0]).toMatchObject({ method: "POST", path: "/app/log/private" });
    expect(requests[0]!.headers["content-type"]).toBe("application/json");
    expect(bytesToUtf8(requests[0]!.body!)).toBe('{"id":1,"msg":"a"}');
  });

  // Goal: a refusal is a SubmitError that keeps the node's code and status.
  test("a refused write keeps the node's words", async () => {
    const error = { code: "InvalidInput", message: "No msg." };
    const { connection } = open(() => ({ status: 400, body: { error } }));
    const thrown = await connection.submit("/app/x").catch((reason: unknown) => reason);
    expect(thrown).toBeInstanceOf(SubmitError);
    expect(thrown).toMatchObject({
      number: 8010,
      message: "The transaction was refused: POST /app/x: 400 InvalidInput No msg",
      refusal: { status: 400, code: "InvalidInput" },
    });
  });

  // Goal: an answer without a transaction id cannot pass for a write.
  test("a write without a transaction id is an error", async () => {
    const { connection } = open(() => ({ body: true }));
    await expect(connection.submit("/app/x")).rejects.toMatchObject({ code: "BadResponse" });
  });

  // Goal: query parameters are escaped and appended to the path.
  test("query escapes its parameters", async () => {
    const { connection, requests } = open(() => ({ body: { msg: "a" } }));
    await connection.query("/app/log?a=1", { query: { id: "x y&z" } });
    expect(requests[0]).toMatchObject({ method: "GET", path: "/app/log?a=1&id=x%20y%26z" });
  });

  // Goal: a body that is no error body gives its first line, not an exception.
  test("a refusal without an error body", async () => {
    const { connection } = open(() => ({ status: 502, body: "Bad gateway\nsecond line" }));
    await expect(connection.query("/app/x")).rejects.toMatchObject({
      code: "QueryRefused",
      refusal: { status: 502, code: "", message: "Bad gateway" },
    });
  });
});

describe("waitForCommit", () => {
  // Goal: the wait ends when the transaction is committed, after pending answers.
  test("waits through Unknown and Pending", async () => {
    const statuses = ["Unknown", "Pending", "Pending", "Committed"];
    const { connection, requests } = open((_request, index) => ({
      body: { status: statuses[index], transaction_id: "2.17" },
    }));
    await connection.waitForCommit("2.17");
    expect(requests).toHaveLength(4);
    expect(requests[0]!.path).toBe("/node/tx?transaction_id=2.17");
  });

  // Goal: a rolled-back transaction is told apart from one that takes long.
  test("an invalid transaction is a CommitError with its id", async () => {
    const { connection } = open(() => ({ body: { status: "Invalid" } }));
    const thrown = await connection.waitForCommit("2.17").catch((reason: unknown) => reason);
    expect(thrown).toBeInstanceOf(CommitError);
    expect(thrown).toMatchObject({ code: "TransactionInvalid", txId: "2.17" });
  });

  // Goal: the time limit holds, and the error says how far the transaction is.
  test("gives up after the time limit", async () => {
    const { connection } = open(() => ({ body: { status: "Pending" } }));
    await expect(connection.waitForCommit("2.17", { timeoutMs: 1000 })).rejects.toMatchObject({
      code: "CommitTimedOut",
      message: "The transaction is not committed yet: 2.17 is Pending after 1000 ms",
    });
  });

  // Goal: nothing is sent for a text that is no transaction id.
  test.each(["", "2", "2.", "0.1", "2.17.3", "2.1x", "../x"])("refuses %j", async (text) => {
    const { connection, requests } = open(() => ({ body: { status: "Committed" } }));
    await expect(connection.waitForCommit(text)).rejects.toMatchObject({
      code: "BadTransactionId",
    });
    expect(requests).toHaveLength(0);
  });
});

describe("submitAndCommit", () => {
  const receipt = { proof: [], node_id: "ab" };

  // Goal: a node that waits gives the receipt in its answer, and is asked nothing more.
  test("one round trip with a Coco node", async () => {
    const carried = Buffer.from(JSON.stringify(receipt)).toString("base64url");
    const headers = { ...written.headers, "x-coco-receipt": carried };
    const { connection, requests } = open(() => ({ ...written, headers }));
    const committed = await connection.submitAndCommit("/app/x", { body: 1 });
    expect(committed).toMatchObject({ txId: "2.17", receipt });
    expect(requests).toHaveLength(1);
    expect(requests[0]!.headers["x-coco-wait"]).toBe("receipt");
  });

  // Goal: a node that does not know the header is asked for the status and the receipt.
  test("polls a CCF node", async () => {
    const answers = [written, { body: { status: "Committed" } }, { body: receipt }];
    const { connection, requests } = open((_request, index) => answers[index]!);
    const committed = await connection.submitAndCommit("/app/x");
    expect(committed).toMatchObject({ txId: "2.17", receipt });
    expect(requests.map(({ path }) => path.split("?")[0])).toEqual([
      "/app/x",
      "/node/tx",
      "/node/receipt",
    ]);
  });

  // Goal: a header that is no receipt is an error of the receipt stage.
  test("refuses a broken receipt header", async () => {
    const headers = { ...written.headers, "x-coco-receipt": "%%%" };
    const { connection } = open(() => ({ ...written, headers }));
    await expect(connection.submitAndCommit("/app/x")).rejects.toBeInstanceOf(ReceiptError);
  });
});

describe("receipt", () => {
  // Goal: a receipt that is being fetched (202) or not yet committed is asked for again.
  test("asks again until the receipt is there", async () => {
    const pending = { error: { code: "TransactionPendingOrUnknown", message: "Not yet." } };
    const answers: StubAnswer[] = [
      { status: 404, body: pending },
      { status: 202, body: "" },
      { status: 200, body: { proof: [] } },
    ];
    const { connection, requests } = open((_request, index) => answers[index]!);
    expect(await connection.receipt("2.17")).toEqual({ proof: [] });
    expect(requests).toHaveLength(3);
  });

  // Goal: an invalid transaction has no receipt, and the error comes at once.
  test("a transaction without receipt is a ReceiptError", async () => {
    const error = { code: "TransactionInvalid", message: "Rolled back." };
    const { connection, requests } = open(() => ({ status: 404, body: { error } }));
    const thrown = await connection.receipt("2.17").catch((reason: unknown) => reason);
    expect(thrown).toBeInstanceOf(ReceiptError);
    expect(thrown).toMatchObject({ txId: "2.17", refusal: { code: "TransactionInvalid" } });
    expect(requests).toHaveLength(1);
  });
});
