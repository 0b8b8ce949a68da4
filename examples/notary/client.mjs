// Registers a file with the notary of the sandbox in this directory, and verifies the receipt.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { connectNode } from "@coco/client/node";

const file = process.argv[2] ?? "README.md";
const sandbox = JSON.parse(
  readFileSync(process.argv[3] ?? "workspace/sandbox/sandbox.json", "utf8"),
);
const [user] = sandbox.users;

const connection = connectNode({
  url: sandbox.url,
  serviceCertificate: readFileSync(sandbox.serviceCert, "utf8"),
  identity: {
    certificate: readFileSync(user.cert, "utf8"),
    key: readFileSync(user.key, "utf8"),
  },
});

const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
const body = { digest, title: file };
const { txId, receipt } = await connection.submitAndCommit("/app/documents", { body });

// From here on nothing is asked of the node: the receipt and the service certificate suffice.
const claims = new TextEncoder().encode(`${digest} ${user.id}`);
const verdict = connection.verifyReceipt(receipt, { txId, claims });
console.log(`${file} is registered in transaction ${verdict.txId}, under root ${verdict.root}`);
await connection.close();
