import {
  base64ToBytes,
  bytesToUtf8,
  coseKeyId,
  decodeCoseSign1,
  equalBytes,
  verifyCoseSign1,
} from "@coco/base";
import { createNodeCrypto, generateSigningKey } from "@coco/base/node";
import { describe, expect, test } from "vitest";
import { createGovernance } from "./governance.ts";
import {
  ackMessage,
  ballotMessage,
  finishMessage,
  preparedMessageToDigest,
  prepareMessage,
  proposalMessage,
  signMessage,
  withdrawalMessage,
} from "./governance-message.ts";
import { createStubTransport } from "./stub-transport.testing.ts";
import { hasVectors, readExchanges, readLivePem } from "./vectors.testing.ts";

const crypto = createNodeCrypto();
const memberId = "ab".repeat(32);
const proposalId = "cd".repeat(32);
const stamp = { memberId, algorithm: "ES384", createdAtSeconds: 1_700_000_000 } as const;

describe("messages", () => {
  // Goal: signing at once and signing elsewhere give messages that the same key verifies.
  test("prepare, sign elsewhere, finish", () => {
    const key = generateSigningKey();
    const message = ballotMessage(proposalId, memberId, "export function vote () {}");
    const prepared = prepareMessage(message, stamp);
    const bytes = finishMessage(prepared, key.sign(prepared.toBeSigned));
    const decoded = decodeCoseSign1(bytes);
    expect(verifyCoseSign1(crypto, decoded, key.publicKey)).toBe(true);
    expect(coseKeyId(decoded)).toBe(memberId);
    expect(Object.fromEntries(decoded.protectedHeaders)).toMatchObject({
      "ccf.gov.msg.type": "ballot",
      "ccf.gov.msg.created_at": 1_700_000_000,
      "ccf.gov.msg.proposal_id": proposalId,
    });
    const digest = crypto.digest("SHA-384", prepared.toBeSigned);
    expect(equalBytes(preparedMessageToDigest(prepared, crypto), digest)).toBe(true);
  });

  // Goal: a signature that cannot belong to the algorithm is refused before it is sent.
  test("a DER signature is refused", () => {
    const prepared = prepareMessage(withdrawalMessage(proposalId), stamp);
    expect(() => finishMessage(prepared, new Uint8Array(103))).toThrow(
      expect.objectContaining({ code: "BadSignatureLength" }),
    );
  });
});

describe.skipIf(!hasVectors)("the recorded messages of a live node", () => {
  // Goal: our messages have the paths, headers and payloads that a live node accepted.
  test("proposal, ballot and ack", () => {
    const exchanges = readExchanges().filter(({ set }) => set === "setup");
    const member = crypto.parse(readLivePem("member0_cert.pem"));
    const id = Buffer.from(crypto.sha256(member.der)).toString("hex");
    const key = generateSigningKey();
    const compare = (note: string, build: (payload: string) => ReturnType<typeof ackMessage>) => {
      const recorded = exchanges.find((exchange) => exchange.note === note)!.request;
      const theirs = decodeCoseSign1(base64ToBytes(recorded.body_base64!));
      expect(verifyCoseSign1(crypto, theirs, member.publicKey)).toBe(true);
      const message = build(bytesToUtf8(theirs.payload!));
      const createdAtSeconds = theirs.protectedHeaders.get("ccf.gov.msg.created_at") as number;
      const ours = decodeCoseSign1(signMessage(message, { memberId: id, createdAtSeconds }, key));
      expect(`/gov${message.path}?api-version=2024-07-01`).toBe(recorded.path);
      expect(ours.payload).toEqual(theirs.payload);
      expect(new Map(ours.protectedHeaders)).toEqual(new Map(theirs.protectedHeaders));
    };
    compare("activate member0 ack", (payload) => ackMessage(id, JSON.parse(payload).stateDigest));
    compare("open service", proposalMessage);
    const ballot = exchanges.find(({ note }) => note === "open service ballot member0")!.request;
    const ballotProposal = /proposals\/([0-9a-f]{64})/.exec(ballot.path)![1]!;
    compare("open service ballot member0", (payload) =>
      ballotMessage(ballotProposal, id, JSON.parse(payload).ballot),
    );
  });
});

describe("governance calls", () => {
  const member = { memberId, signer: generateSigningKey() };

  // Goal: an acknowledgement first renews the digest, then signs exactly that digest.
  test("acknowledge", async () => {
    const stateDigest = "ef".repeat(32);
    const transport = createStubTransport((request) =>
      request.path.includes(":update") ? { body: { memberId, stateDigest } } : { status: 204 },
    );
    const governance = createGovernance(transport, member, () => 1_700_000_000_000);
    expect(await governance.acknowledge()).toBe(stateDigest);
    expect(transport.requests.map(({ path }) => path)).toEqual([
      `/gov/members/state-digests/${memberId}:update?api-version=2024-07-01`,
      `/gov/members/state-digests/${memberId}:ack?api-version=2024-07-01`,
    ]);
    const { payload } = decodeCoseSign1(transport.requests[1]!.body!);
    expect(JSON.parse(bytesToUtf8(payload!))).toEqual({ stateDigest });
  });

  // Goal: an unknown proposal is told apart from a withdrawn one.
  test("withdraw of an unknown proposal", async () => {
    const transport = createStubTransport(() => ({ status: 204 }));
    const governance = createGovernance(transport, member, () => 0);
    expect(await governance.withdraw(proposalId)).toBeUndefined();
  });

  // Goal: what has to be signed is not sent without a key, and refusals keep CCF's code.
  test("errors", async () => {
    const error = { code: "ProposalReplay", message: "Seen before." };
    const transport = createStubTransport(() => ({ status: 400, body: { error } }));
    const anonymous = createGovernance(transport, undefined, () => 0);
    await expect(anonymous.vote(proposalId, "yes")).rejects.toMatchObject({
      code: "MemberMissing",
    });
    expect(transport.requests).toHaveLength(0);
    const governance = createGovernance(transport, member, () => 0);
    await expect(governance.propose({ actions: [] })).rejects.toMatchObject({
      code: "GovernanceRefused",
      refusal: { status: 400, code: "ProposalReplay" },
    });
  });
});
