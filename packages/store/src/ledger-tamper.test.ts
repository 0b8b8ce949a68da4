/**
 * Nothing in a ledger can be changed unnoticed. What no signature covers is listed here too: in the
 * last signature transaction its GCM tag and commit evidence digest, and what follows it. Those
 * are authenticated by the ledger secrets, so decryption refuses them.
 */
import { bytesToLatin1, type Crypto, isCocoError, latin1ToBytes } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import { describe, expect, test } from "vitest";
import { createCertificate } from "./certificate.testing.ts";
import { ChunkReader, type LedgerFile } from "./chunk-reader.ts";
import { auditLedger } from "./ledger-audit.ts";
import { decryptLedger } from "./ledger-decrypt.ts";
import { orderLedgerFiles } from "./ledger-directory.ts";
import { decodeLedgerEntry } from "./ledger-entry.ts";
import { ledgerTable } from "./ledger-tables.ts";
import { bytesToFile, presentLedgers, readLedger, readMemberKeys } from "./real-ledgers.testing.ts";
import { singleton, TestService, write } from "./test-service.testing.ts";

/**
 * Hundreds of variants of one ledger are audited, with mostly the same signatures: the answers
 * of the expensive checks are kept. Any changed input is a different question.
 */
function createRememberingCrypto(): Crypto {
  const crypto = createNodeCrypto();
  const answers = new Map<string, boolean>();
  const ask = (parts: readonly (string | Uint8Array)[], answer: () => boolean): boolean => {
    const question = JSON.stringify(parts.map((part) => bytesToLatin1(toBytes(part))));
    const known = answers.get(question) ?? answer();
    answers.set(question, known);
    return known;
  };
  const toBytes = (part: string | Uint8Array) =>
    typeof part === "string" ? latin1ToBytes(part) : part;
  return {
    ...crypto,
    verify: (algorithm, ...rest) =>
      ask([algorithm, ...rest], () => crypto.verify(algorithm, ...rest)),
    verifyEcdsaSha256: (...rest) =>
      ask(["sha256", ...rest], () => crypto.verifyEcdsaSha256(...rest)),
    isIssuedBy: (certificate, issuer) =>
      ask(["issued", certificate.der, issuer.der], () => crypto.isIssuedBy(certificate, issuer)),
  };
}

const crypto = createRememberingCrypto();
/** The two smallest ledgers, and one with all the older entry types. */
const ledgers = presentLedgers().filter(({ name }) =>
  ["acme_containing_service", "live_service", "sgx_service"].includes(name),
);

/** What an audit makes of the files: the error, or what was accepted. */
function judge(files: readonly LedgerFile[]): { code: string; text: string; file: unknown } {
  try {
    auditLedger(files, { crypto });
  } catch (error) {
    if (!isCocoError(error)) throw error;
    return { code: error.code, text: error.message, file: error.facts["file"] };
  }
  return { code: "accepted", text: "", file: undefined };
}

function replace(files: readonly LedgerFile[], name: string, bytes: Uint8Array): LedgerFile[] {
  return files.map((file) => (file.name === name ? bytesToFile(name, bytes) : file));
}

function flip(files: readonly LedgerFile[], name: string, offset: number, bit: number) {
  const file = files.find((candidate) => candidate.name === name)!;
  const bytes = file.read(0, file.sizeBytes);
  bytes[offset]! ^= 1 << bit;
  return replace(files, name, bytes);
}

function allBytes(file: LedgerFile): Uint8Array {
  return file.read(0, file.sizeBytes);
}

interface Place {
  readonly kind: string;
  readonly file: string;
  readonly offset: number;
}

function u64At(bytes: Uint8Array, offset: number): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(offset, true));
}

/** One place of each class of bytes in an entry: the first byte of the class, and its last. */
function placesOfEntry(file: string, start: number, bytes: Uint8Array): Place[] {
  const places: Place[] = [];
  const add = (kind: string, offset: number, length: number) => {
    if (length === 0) return;
    places.push({ kind: `${kind} (first)`, file, offset: start + offset });
    places.push({ kind: `${kind} (last)`, file, offset: start + offset + length - 1 });
  };
  add("entry version", 0, 1);
  add("entry flags", 1, 1);
  add("entry size", 2, 6);
  add("tag", 8, 16);
  add("IV seqno", 24, 8);
  add("IV view", 32, 4);
  add("public length", 36, 8);
  const entry = decodeLedgerEntry(bytes);
  const domain = 44;
  add("entry type", domain, 1);
  add("seqno", domain + 1, 8);
  if (entry.claimsDigest !== undefined) add("claims digest", domain + 9, 32);
  if (entry.commitEvidenceDigest !== undefined) {
    add("commit evidence digest", domain + entry.mapsOffset - 40, 32);
  }
  add("reserved", domain + entry.mapsOffset - 8, 8);
  let at = domain + entry.mapsOffset;
  const end = domain + entry.publicDomain.length;
  while (at < end) at = placesOfMap(bytes, at, add);
  add("ciphertext", end, entry.ciphertext.length);
  return places;
}

type Add = (kind: string, offset: number, length: number) => void;

function placesOfMap(bytes: Uint8Array, start: number, add: Add): number {
  let at = start;
  const sized = (kind: string) => {
    const length = u64At(bytes, at);
    add(`${kind} length`, at, 8);
    add(kind, at + 8, length);
    at += 8 + length;
  };
  const number = (kind: string) => {
    add(kind, at, 8);
    at += 8;
    return u64At(bytes, at - 8);
  };
  sized("map name");
  number("read version");
  number("read count");
  for (let left = number("write count"); left > 0; left--) {
    sized("key");
    sized("value");
  }
  for (let left = number("remove count"); left > 0; left--) sized("removed key");
  return at;
}

/**
 * Every class of bytes: all of the last entry, which no later signature covers, and of the others
 * one place for each class and entry type.
 */
function placesOfLedger(files: readonly LedgerFile[]): Place[] {
  const places = new Map<string, Place>();
  const chunks = orderLedgerFiles(files).chunks;
  for (const { file, chunk } of chunks) {
    const reader = new ChunkReader(file);
    for (const { offset, bytes } of reader.entries()) {
      const { type } = decodeLedgerEntry(bytes);
      for (const place of placesOfEntry(file.name, offset, bytes)) {
        places.set(`${type} ${place.kind}`, place);
      }
    }
    places.set("header", { kind: "table offset (first)", file: file.name, offset: 0 });
    places.set("header end", { kind: "table offset (last)", file: file.name, offset: 7 });
    if (chunk.endSeqno === undefined) continue;
    places.set("table", { kind: "positions", file: file.name, offset: reader.entriesEnd });
    const offset = file.sizeBytes - 1;
    places.set("table end", { kind: "positions (last)", file: file.name, offset });
  }
  const last = chunks.at(-1)!.file;
  const entry = [...new ChunkReader(last).entries()].at(-1)!;
  return [...places.values(), ...placesOfEntry(last.name, entry.offset, entry.bytes)];
}

/** Where the last entry, which is a signature, keeps what only the secrets authenticate. */
function isOnlySecret(files: readonly LedgerFile[], { file, offset }: Place): boolean {
  const last = orderLedgerFiles(files).chunks.at(-1)!.file;
  if (file !== last.name) return false;
  const entry = [...new ChunkReader(last).entries()].at(-1)!;
  const { mapsOffset } = decodeLedgerEntry(entry.bytes);
  const at = offset - entry.offset;
  const evidence = 44 + mapsOffset - 40;
  return (at >= 8 && at < 24) || (at >= evidence && at < evidence + 32);
}

describe("real ledgers", () => {
  // Goal: one bit changed in every class of bytes of a ledger is refused and the place is named.
  test.each(ledgers)("every class of bytes of $name is protected", ({ name }) => {
    const files = readLedger(name);
    const accepted: string[] = [];
    for (const [index, place] of placesOfLedger(files).entries()) {
      const changed = flip(files, place.file, place.offset, index % 8);
      const { code, text } = judge(changed);
      const label = `${place.kind} at ${place.file}:${place.offset}`;
      if (code !== "accepted") expect(text, label).toMatch(/ledger_\d+/);
      else if (!isOnlySecret(files, place)) accepted.push(label);
    }
    expect(accepted).toEqual([]);
  });

  // Goal: the same for places chosen at random, and with members' keys nothing at all is left.
  test.each(ledgers)("random bytes of $name are protected", ({ name }) => {
    const files = readLedger(name);
    const memberEncryptionKeys = readMemberKeys(name);
    let state = 1;
    const random = (limit: number) => {
      state = (state * 48_271) % 2_147_483_647;
      return state % limit;
    };
    const accepted: string[] = [];
    for (let round = 0; round < 40; round++) {
      const file = files[random(files.length)]!;
      const place = { kind: "random", file: file.name, offset: random(file.sizeBytes) };
      const changed = flip(files, place.file, place.offset, random(8));
      if (judge(changed).code !== "accepted") continue;
      if (!isOnlySecret(files, place)) accepted.push(`${place.file}:${place.offset}`);
    }
    const last = orderLedgerFiles(files).chunks.at(-1)!.file;
    const entry = [...new ChunkReader(last).entries()].at(-1)!;
    for (const offset of [8, 23, 44 + 9, 44 + 9 + 40]) {
      const changed = flip(files, last.name, entry.offset + offset, 3);
      expect(() => decryptLedger(changed, { crypto, memberEncryptionKeys })).toThrow(last.name);
    }
    expect(accepted).toEqual([]);
  });

  // Goal: a chunk that is missing, there twice, swapped with another, or cut is refused.
  test.each(ledgers)("chunks of $name removed, swapped, cut", ({ name }) => {
    const files = readLedger(name);
    const order = orderLedgerFiles(files).chunks.map(({ file }) => file);
    for (const [index, file] of order.entries()) {
      const next = order[index + 1];
      if (next !== undefined) {
        const without = files.filter((candidate) => candidate !== file);
        expect(judge(without), `without ${file.name}`).toMatchObject({ code: "BadLedger" });
        const swapped = replace(
          replace(files, file.name, allBytes(next)),
          next.name,
          allBytes(file),
        );
        expect(judge(swapped).code, `${file.name} swapped`).not.toBe("accepted");
        const renamed = [...files, bytesToFile(file.name, allBytes(file))];
        expect(judge(renamed).code, `${file.name} twice`).toBe("BadLedger");
      }
      const { sizeBytes } = file;
      const whole = [...new ChunkReader(file).entries()].map(({ offset }) => offset);
      for (const size of [0, 8, 20, sizeBytes >> 1, sizeBytes - 1]) {
        // An open chunk that ends between two entries is shorter, but it is a ledger.
        if (next === undefined && (whole.includes(size) || size < 8)) continue;
        const cut = replace(files, file.name, file.read(0, size));
        expect(judge(cut), `${file.name} cut to ${size}`).toMatchObject({ file: file.name });
      }
      const longer = new Uint8Array(sizeBytes + 4);
      longer.set(allBytes(file));
      expect(judge(replace(files, file.name, longer)).code).not.toBe("accepted");
    }
  });
});

describe("what an attacker with the disk can do", () => {
  // Goal: a ledger whose tail is not signed is accepted as such, and the report says so.
  test("an unsigned tail is reported, not verified", async () => {
    const service = await TestService.create();
    await service.sign();
    service.append(write("notes", "a", "1"));
    service.append(write("notes", "b", "2"));
    service.flush();
    const report = auditLedger(service.directory.list(), { crypto });
    expect(report).toMatchObject({ lastSignedTxId: "2.2", unsignedTransactions: 2 });
  });

  // Goal: a node that the service did not endorse cannot sign.
  test("a stranger's signature is refused", async () => {
    const service = await TestService.create();
    const stranger = await TestService.create();
    await service.sign();
    service.nodeCertificate = stranger.nodeCertificate;
    await service.sign();
    const { code } = judge(service.directory.list());
    expect(code).toBe("UntrustedNode");
  });

  // Goal: a forger who knows the service's certificate, but not its key, cannot write a ledger in
  // the oldest format, where nodes have no endorsement, and pass it off as the service's.
  test("a forged ledger of the oldest kind is refused", async () => {
    const victim = await TestService.create();
    const forger = new TestService();
    const { publicKey } = forger.nodeKey;
    forger.nodeCertificate = await createCertificate({
      subject: "CCF Node",
      publicKey,
      issuer: "CCF Node",
      issuerKey: forger.nodeKey,
      isAuthority: false,
    });
    const node = { status: "Trusted", cert: forger.nodeCertificate };
    const service = { cert: victim.serviceCertificate, status: "Open" };
    const rows: [string, string][] = [[forger.nodeId, JSON.stringify(node)]];
    forger.append({
      maps: [
        { name: ledgerTable.nodes, readVersion: 0, writes: rows, removes: [] },
        singleton(ledgerTable.service, service),
      ],
    });
    await forger.sign(0, false);
    const { serviceCertificate } = victim;
    const files = forger.directory.list();
    expect(judge(files).code).toBe("accepted");
    expect(() => auditLedger(files, { crypto, serviceCertificate })).toThrow(
      expect.objectContaining({ code: "UntrustedService" }),
    );
    forger.append(write("public:a", "k", "v"));
    await forger.sign(0);
    expect(judge(forger.directory.list()).code).toBe("BadSignature");
  });

  // Goal: the error names the transaction that was changed, not only the signature that shows it.
  test("a changed transaction is named", async () => {
    const service = await TestService.create();
    await service.sign();
    for (let index = 0; index < 9; index++) service.append(write("notes", `k${index}`, "v"));
    await service.sign();
    const [file] = service.directory.list();
    for (const { seqno, offset, bytes } of [...new ChunkReader(file!).entries()].slice(0, -1)) {
      const changed = flip([file!], file!.name, offset + bytes.length - 1, 0);
      try {
        auditLedger(changed, { crypto });
        expect.unreachable();
      } catch (error) {
        if (!isCocoError(error)) throw error;
        expect(error.facts).toMatchObject({ file: "ledger_1", offset, seqno });
      }
    }
  });

  // Goal: a ledger without any signature proves nothing.
  test("a ledger without signatures is refused", async () => {
    const service = await TestService.create();
    service.flush();
    expect(judge(service.directory.list()).code).toBe("BadLedger");
  });

  // Goal: another service's ledger is refused when the person's certificate is given.
  test("another service's ledger is refused", async () => {
    const service = await TestService.create();
    const other = await TestService.create();
    await service.sign();
    const { serviceCertificate } = other;
    const audit = () => auditLedger(service.directory.list(), { crypto, serviceCertificate });
    expect(audit).toThrow(expect.objectContaining({ code: "UntrustedService" }));
  });

  // Goal: a torn write at the end of the open chunk is refused, or reported when that is wanted.
  test("a torn write", async () => {
    const service = await TestService.create();
    await service.sign();
    service.append(write("notes", "a", "1"));
    service.flush();
    const [name, bytes] = [...service.directory.files][0]!;
    const cut = [bytesToFile(name, bytes.slice(0, bytes.length - 3))];
    expect(judge(cut)).toMatchObject({ code: "BadChunk", file: name });
    const report = auditLedger(cut, { crypto, allowIncompleteTail: true });
    expect(report).toMatchObject({ lastTxId: "2.2", incompleteTail: { file: name } });
  });

  // Goal: a node that stops while it ends a chunk leaves a part of the table of positions, which
  // is no entry; the entries before it are whole.
  test("a torn table of positions", async () => {
    const service = await TestService.create();
    service.writer.requestChunkEnd();
    await service.sign();
    const [, bytes] = [...service.directory.files][0]!;
    const open = bytes.slice(0, bytes.length - 3);
    open.fill(0, 0, 8);
    const files = [bytesToFile("ledger_1", open)];
    expect(judge(files).code).toBe("BadChunk");
    const report = auditLedger(files, { crypto, allowIncompleteTail: true });
    expect(report).toMatchObject({ lastTxId: "2.2", incompleteTail: { sizeBytes: 5 } });
    const without = [bytesToFile("ledger_1", open.slice(0, open.length - 5))];
    expect(judge(without).text).toContain("table of positions is missing");
  });
});
