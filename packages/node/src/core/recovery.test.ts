import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createNodeCrypto } from "@coco/base/node";
import { decryptLedger, parseReceipt, textToTxId, verifyReceipt } from "@coco/store";
import { afterEach, describe, expect, test } from "vitest";
import { LedgerFileSet, listLedgerFiles } from "./ledger-files.ts";
import type { TestNode } from "./node.testing.ts";
import {
  agree,
  copyRealLedger,
  createRecoveryNode,
  dumpApp,
  dumpTables,
  fetchReceipt,
  hasRealLedgers,
  type RealService,
  readPrivateState,
  readRealService,
  realLedgers,
  serviceStatus,
  submitShares,
  voteOpen,
} from "./recovery.testing.ts";

const crypto = createNodeCrypto();
const running: TestNode[] = [];

afterEach(async () => {
  for (const node of running.splice(0)) await node.stop();
});

/** A node in recovery of a copy of the service's ledger. */
async function startRecovery({ name, certificate, members }: RealService): Promise<TestNode> {
  const node = createRecoveryNode(copyRealLedger(name), certificate, { members });
  await node.start();
  running.push(node);
  return node;
}

async function nodeState(node: TestNode): Promise<string> {
  return (await node.get("/node/state")).json().state;
}

async function checkClosed(node: TestNode, former: string): Promise<void> {
  expect(await serviceStatus(node)).toBe("Recovering");
  expect(await nodeState(node)).toBe("PartOfPublicNetwork");
  const app = await node.get("/app/commit");
  expect([app.status, app.json().error.code]).toEqual([404, "FrontendNotOpen"]);
  const previous = await node.get("/node/service/previous_identity");
  expect(previous.json().previous_service_identity.trim()).toBe(former.trim());
}

/** A receipt of a former service, which the new one endorses. */
async function checkReceipt(node: TestNode, txId: string, name: string): Promise<void> {
  const { status, body } = await fetchReceipt(node, txId);
  // The signatures of CCF 1, with which this service began, say nothing of certificates.
  if (name === "sgx_service" && txId.startsWith("2.")) {
    expect([status, body]).toEqual([500, expect.stringContaining("records no certificate")]);
    return;
  }
  expect([txId, status, body]).toEqual([txId, 200, body]);
  const json = JSON.parse(body);
  expect(json.service_endorsements).toHaveLength(1);
  const serviceCertificate = node.node.serviceCertificatePem;
  const verified = verifyReceipt(crypto, parseReceipt(json), { serviceCertificate, txId });
  expect(verified.txId).toEqual(textToTxId(txId));
}

/** The ledger on disk: verified from its first transaction on, and decrypted with new shares. */
function readLedger(node: TestNode): ReturnType<typeof decryptLedger> {
  const files = new LedgerFileSet();
  try {
    const list = listLedgerFiles([node.ledgerDirectory], "leave");
    return decryptLedger(
      list.map((file) => files.file(file)),
      {
        crypto,
        memberEncryptionKeys: node.members.map(({ encryption }) => encryption.privatePem),
        serviceCertificate: readFileSync(join(node.directory, "service_cert.pem"), "utf8"),
      },
    );
  } finally {
    files.close();
  }
}

const services = hasRealLedgers ? readdirSync(realLedgers).sort() : [];
if (!hasRealLedgers) console.warn(`skipped: there are no real ledgers in ${realLedgers}`);

describe.skipIf(!hasRealLedgers)("a real service", () => {
  // Goal: the ledger of each real service opens again with its members' votes and shares, its
  // private tables read as before, its receipts verify, and the new ledger verifies as a whole.
  test.each(services)("%s opens again", { timeout: 60_000 }, async (name) => {
    const service = readRealService(name);
    const former = readPrivateState(service);
    const node = await startRecovery(service);
    await checkClosed(node, service.certificate);
    await voteOpen(node, service.certificate);
    expect(await serviceStatus(node)).toBe("WaitingForRecoveryShares");
    await submitShares(node);
    expect(await nodeState(node)).toBe("PartOfNetwork");
    await agree(node, [{ name: "set_js_app", args: { bundle: dumpApp } }]);
    expect(await dumpTables(node, [...former.tables.keys()])).toEqual(former.tables);
    for (const txId of former.lastTxIds) await checkReceipt(node, txId, name);
    await node.stop();
    const { audit, privateDecrypted } = readLedger(node);
    expect(audit).toMatchObject({ serviceStatus: "Open", otherFiles: [] });
    expect(privateDecrypted).toBe(audit.transactions);
  });
});
