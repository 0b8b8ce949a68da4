/** A service of one node for tests: real keys, real signatures, files in memory. */
import { bytesToHex, utf8ToBytes } from "@coco/base";
import { createNodeCrypto, generateSigningKey } from "@coco/base/node";
import type { ByteText } from "./byte-writer.ts";
import { createCertificate } from "./certificate.testing.ts";
import type { LedgerFile } from "./chunk-reader.ts";
import type { FileChange, LedgerBatch } from "./ledger-layout.ts";
import { LedgerSecrets } from "./ledger-secrets.ts";
import { ledgerTable, singletonKey } from "./ledger-tables.ts";
import { type AppendedTransaction, LedgerWriter } from "./ledger-writer.ts";
import { bytesToFile } from "./real-ledgers.testing.ts";
import { finishSignature, prepareSignature } from "./signature-transaction.ts";
import type { MapChanges, WriteSet } from "./write-set.ts";

/** A ledger directory in memory that does what a node does with batches and changes. */
export class MemoryDirectory {
  readonly files = new Map<string, Uint8Array>();

  write(batch: LedgerBatch): void {
    for (const write of batch.writes) {
      const before = this.files.get(write.fileName) ?? new Uint8Array(0);
      if (before.length !== write.offset) throw new Error("a write leaves a hole");
      const after = new Uint8Array(before.length + write.bytes.length);
      after.set(before);
      after.set(write.bytes, write.offset);
      this.files.set(write.fileName, after);
      if (write.completion !== undefined) {
        after.set(write.completion.header);
        this.#rename(write.fileName, write.completion.newName);
      }
    }
  }

  #rename(name: string, newName: string): void {
    const bytes = this.files.get(name);
    if (bytes === undefined) throw new Error(`no file ${name}`);
    this.files.delete(name);
    this.files.set(newName, bytes);
  }

  apply(changes: readonly FileChange[]): void {
    for (const change of changes) {
      const bytes = this.files.get(change.name);
      if (bytes === undefined) throw new Error(`no file ${change.name}`);
      if (change.kind === "remove") this.files.delete(change.name);
      else if (change.kind === "rename") this.#rename(change.name, change.newName);
      else {
        const cut = bytes.slice(0, change.sizeBytes);
        if (change.kind === "reopen") cut.fill(0, 0, 8);
        this.files.delete(change.name);
        this.files.set(change.kind === "reopen" ? change.newName : change.name, cut);
      }
    }
  }

  list(): LedgerFile[] {
    return [...this.files].map(([name, bytes]) => bytesToFile(name, bytes));
  }
}

export function singleton(name: string, value: unknown): MapChanges {
  const bytes = utf8ToBytes(JSON.stringify(value));
  return { name, readVersion: 0, writes: [[singletonKey, bytes]], removes: [] };
}

function row(name: string, key: string, value: string): MapChanges {
  return { name, readVersion: 0, writes: [[utf8ToBytes(key), utf8ToBytes(value)]], removes: [] };
}

/** One write to one map. */
export function write(name: string, key: string, value: string): WriteSet<ByteText> {
  return { maps: [{ name, readVersion: 0, writes: [[key, value]], removes: [] }] };
}

export class TestService {
  readonly crypto = createNodeCrypto();
  readonly serviceKey = generateSigningKey();
  readonly nodeKey = generateSigningKey();
  readonly nodeId = bytesToHex(this.crypto.sha256(this.nodeKey.publicKey));
  readonly directory = new MemoryDirectory();
  readonly appended: AppendedTransaction[] = [];
  /** Copies of the entries: the batch's memory is used again. */
  readonly entries: Uint8Array[] = [];
  readonly secrets = new LedgerSecrets(this.crypto, [{ version: 0, key: this.crypto.bytes(32) }]);
  readonly writer: LedgerWriter;
  view = 2;
  serviceCertificate = "";
  nodeCertificate = "";

  constructor(chunkSizeBytes = 5_000_000) {
    this.writer = new LedgerWriter({ crypto: this.crypto, secrets: this.secrets, chunkSizeBytes });
  }

  static async create(chunkSizeBytes?: number): Promise<TestService> {
    const service = new TestService(chunkSizeBytes);
    const { serviceKey, nodeKey } = service;
    service.serviceCertificate = await createCertificate({
      subject: "CCF Service",
      publicKey: serviceKey.publicKey,
      issuer: "CCF Service",
      issuerKey: serviceKey,
      isAuthority: true,
    });
    service.nodeCertificate = await createCertificate({
      subject: "CCF Node",
      publicKey: nodeKey.publicKey,
      issuer: "CCF Service",
      issuerKey: serviceKey,
      isAuthority: false,
    });
    service.append({
      maps: [
        row(ledgerTable.nodes, service.nodeId, JSON.stringify({ status: "Trusted" })),
        row(ledgerTable.endorsedCertificates, service.nodeId, service.nodeCertificate),
        singleton(ledgerTable.service, { cert: service.serviceCertificate, status: "Opening" }),
      ],
    });
    return service;
  }

  append(
    writeSet: WriteSet<ByteText>,
    claimsDigest?: Uint8Array,
    isSignature = false,
  ): AppendedTransaction {
    const seqno = this.writer.lastTxId.seqno + 1;
    const { view } = this;
    const appended = this.writer.append({ view, seqno, writeSet, claimsDigest, isSignature });
    this.appended.push(appended);
    this.entries.push(new Uint8Array(appended.bytes));
    return appended;
  }

  /** Appends a signature transaction and writes what is pending. */
  async sign(treeFrom = this.writer.tree.firstLeaf, withCose = true): Promise<WriteSet> {
    const prepared = prepareSignature({
      hash: this.crypto,
      tree: this.writer.tree,
      txId: { view: this.view, seqno: this.writer.lastTxId.seqno + 1 },
      nodeId: this.nodeId,
      nodeCertificate: this.nodeCertificate,
      servicePublicKey: this.serviceKey.publicKey,
      serviceAlgorithm: this.serviceKey.algorithm,
      coseIssuer: { issuer: "service.example.com", subject: "ledger.signature" },
      issuedAtSeconds: 1_700_000_000,
      treeFrom,
    });
    const both = finishSignature(
      prepared,
      await this.nodeKey.signSha256DerAsync(prepared.preimage),
      this.serviceKey.sign(prepared.coseToBeSigned),
    );
    const maps = both.maps.filter(({ name }) => withCose || name !== ledgerTable.coseSignatures);
    const writeSet = { maps };
    this.append(writeSet, undefined, true);
    this.flush();
    return writeSet;
  }

  flush(): void {
    const batch = this.writer.takeBatch();
    if (batch === undefined) return;
    this.directory.write(batch);
    this.writer.release(batch);
  }
}
