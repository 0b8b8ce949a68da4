/** Recoveries for tests: of copies of real ledgers with their members' keys, and of our own. */
import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { base64ToBytes, bytesToBase64, bytesToHex } from "@coco/base";
import { createNodeCrypto, pemToSigningKey } from "@coco/base/node";
import { decryptLedger, isSignatureWriteSet, txIdToText } from "@coco/store";
import { LedgerFileSet, listLedgerFiles } from "./ledger-files.ts";
import {
  type TestIdentity,
  TestNode,
  type TestNodeOptions,
  type TestResponse,
} from "./node.testing.ts";

const root = resolve(import.meta.dirname, "../../../..");
const vectors = process.env["COCO_VECTORS"] ?? resolve(root, "../shared/vectors");
export const realLedgers = join(vectors, "ccf-ledgers");
export const hasRealLedgers = existsSync(realLedgers);

/** Keys of the members (or of one user) of a real service. */
export function readIdentities(common: string, prefix = "member"): TestIdentity[] {
  return readdirSync(common)
    .filter((name) => new RegExp(`^${prefix}[0-9]+_cert\\.pem$`).test(name))
    .sort()
    .map((name) => {
      const path = (suffix: string) => join(common, name.replace("cert.pem", suffix));
      const certificate = readFileSync(path("cert.pem"), "utf8");
      const privatePem = existsSync(path("enc_privk.pem"))
        ? readFileSync(path("enc_privk.pem"), "utf8")
        : "";
      const publicPem =
        privatePem === ""
          ? ""
          : createPublicKey(privatePem).export({ format: "pem", type: "spki" }).toString();
      return {
        key: pemToSigningKey(readFileSync(path("privk.pem"), "utf8")),
        certificate,
        id: createHash("sha256").update(new X509Certificate(certificate).raw).digest("hex"),
        encryption: { publicPem, privatePem },
      };
    });
}

export interface RealService {
  readonly name: string;
  /** PEM. */
  readonly certificate: string;
  readonly members: readonly TestIdentity[];
}

export function readRealService(name: string): RealService {
  const common = join(realLedgers, name, "common");
  const certificate = readFileSync(join(common, "service_cert.pem"), "utf8");
  return { name, certificate, members: readIdentities(common) };
}

/** Hexadecimal keys and values. */
type PlainTable = Readonly<Record<string, string>>;

/** The private tables at the end of a real ledger, and the last transaction of each view. */
export function readPrivateState({ name, members }: RealService): {
  readonly tables: ReadonlyMap<string, PlainTable>;
  readonly lastTxIds: readonly string[];
} {
  const tables = new Map<string, Record<string, string>>();
  const files = new LedgerFileSet();
  const lastTxIds = new Map<number, string>();
  const stored = listLedgerFiles([join(realLedgers, name, "ledger")], "leave");
  decryptLedger(
    stored.map((file) => files.file(file)),
    {
      crypto: createNodeCrypto(),
      memberEncryptionKeys: members.map(({ encryption }) => encryption.privatePem),
      onTransaction: ({ txId, publicWriteSet, privateWriteSet }) => {
        if (!isSignatureWriteSet(publicWriteSet)) lastTxIds.set(txId.view, txIdToText(txId));
        for (const { name: table, writes, removes } of privateWriteSet.maps) {
          const rows = tables.get(table) ?? {};
          for (const [key, value] of writes) rows[bytesToHex(key)] = bytesToHex(value);
          for (const key of removes) delete rows[bytesToHex(key)];
          tables.set(table, rows);
        }
      },
    },
  );
  files.close();
  return { tables, lastTxIds: [...lastTxIds.values()] };
}

const dumpSource = `
  const toHex = (buffer) =>
    Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
  export function dump(request) {
    const rows = {};
    const table = ccf.kv[decodeURIComponent(request.query.split("=")[1])];
    table.forEach((value, key) => { rows[toHex(key)] = toHex(value); });
    return { body: rows };
  }
  export function put(request) {
    const { key, value } = request.body.json();
    ccf.kv["records"].set(ccf.strToBuf(key), ccf.strToBuf(value));
    return { body: true };
  }`;

const dumpEndpoint = {
  js_module: "dump.js",
  js_function: "dump",
  mode: "readonly",
  authn_policies: ["no_auth"],
  forwarding_required: "sometimes",
};

/** Shows whole tables to everybody. */
export const dumpApp = {
  metadata: {
    endpoints: {
      "/dump": { get: dumpEndpoint },
      "/put": { post: { ...dumpEndpoint, js_function: "put", mode: "readwrite" } },
    },
  },
  modules: [{ name: "dump.js", module: dumpSource }],
};

export async function dumpTables(
  node: TestNode,
  names: readonly string[],
): Promise<ReadonlyMap<string, PlainTable>> {
  const tables = new Map<string, PlainTable>();
  for (const name of names) {
    const answer = await node.get(`/app/dump?table=${encodeURIComponent(name)}`);
    if (answer.status !== 200) throw new Error(`${name}: ${answer.status} ${answer.body}`);
    tables.set(name, answer.json());
  }
  return tables;
}

/** A copy of a real service's ledger in a directory of its own. @returns the directory */
export function copyRealLedger(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), "coco-recovery-"));
  cpSync(join(realLedgers, name, "ledger"), join(directory, "ledger"), { recursive: true });
  return directory;
}

/** A node that is to recover the ledger in `directory`. */
export function createRecoveryNode(
  directory: string,
  previousCertificate: string,
  options: TestNodeOptions = {},
): TestNode {
  const file = join(directory, "previous_service_cert.pem");
  writeFileSync(file, previousCertificate);
  return new TestNode({
    directory,
    command: { type: "Recover", recover: { previous_service_identity_file: file } },
    ...options,
  });
}

/** The members vote to open the service. */
export function voteOpen(node: TestNode, previousCertificate: string): Promise<void> {
  const args = {
    previous_service_identity: previousCertificate,
    next_service_identity: node.node.serviceCertificatePem,
  };
  return agree(node, [{ name: "transition_service_to_open", args }]);
}

/** Member 0 proposes; the members vote for it until it is accepted. */
export async function agree(node: TestNode, actions: readonly unknown[]): Promise<void> {
  const proposal = await node.propose(actions);
  if (proposal.status !== 200) throw new Error(`${proposal.status} ${proposal.body}`);
  const { proposalId } = proposal.json();
  let state: string = proposal.json().proposalState;
  for (const member of node.members) {
    if (state !== "Open") break;
    const path = `members/proposals/${proposalId}/ballots/${member.id}:submit`;
    const ballot = { ballot: "export function vote () { return true }" };
    const answer = await node.govern(member, path, "ballot", ballot, proposalId);
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
    state = answer.json().proposalState;
  }
  if (state !== "Accepted") throw new Error(`the proposal is ${state}`);
}

/** The member's share, decrypted. */
export async function fetchShare(node: TestNode, member: TestIdentity): Promise<Uint8Array> {
  const path = `/gov/recovery/encrypted-shares/${member.id}?api-version=2024-07-01`;
  const { encryptedShare } = (await node.get(path)).json();
  const { privatePem } = member.encryption;
  return createNodeCrypto().unwrapRsaOaep(privatePem, base64ToBytes(encryptedShare));
}

export function submitShare(
  node: TestNode,
  member: TestIdentity,
  share: Uint8Array,
): Promise<TestResponse> {
  const path = `recovery/members/${member.id}:recover`;
  return node.govern(member, path, "recovery_share", { share: bytesToBase64(share) });
}

/** As many members as are needed submit their shares; then the service opens. */
export async function submitShares(node: TestNode): Promise<void> {
  for (const member of node.members) {
    const answer = await submitShare(node, member, await fetchShare(node, member));
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
    if (answer.json().message.includes("End of recovery procedure")) break;
  }
  await untilOpen(node);
}

export async function serviceStatus(node: TestNode): Promise<string> {
  return (await node.get("/node/network")).json().service_status;
}

export async function untilOpen(node: TestNode, timeoutMs = 20_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while ((await serviceStatus(node)) !== "Open") {
    if (performance.now() > endMs) throw new Error(`not open:\n${node.logLines.join("\n")}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** A receipt, asked for until it is there. */
export async function fetchReceipt(node: TestNode, txId: string): Promise<TestResponse> {
  for (;;) {
    const answer = await node.get(`/node/receipt?transaction_id=${txId}`);
    const isPending = answer.status === 404 && answer.body.includes("TransactionPendingOrUnknown");
    if (answer.status !== 202 && !isPending) return answer;
    await new Promise((done) => setTimeout(done, 10));
  }
}
