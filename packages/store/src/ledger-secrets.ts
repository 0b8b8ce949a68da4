import { assert, type Hash } from "@coco/base";
import { ledgerErrors } from "./errors.ts";
import { CommitEvidence } from "./transaction-digest.ts";

/** The key that encrypts the private parts of transactions from one sequence number on. */
export interface LedgerSecret {
  /** First transaction that it encrypts. */
  readonly version: number;
  /** 32 bytes, AES-256. */
  readonly key: Uint8Array;
  /** Transaction that stored the secret before this one, encrypted under this one. */
  readonly previousSecretStoredVersion?: number | undefined;
}

/** A secret and what is derived from it. */
export interface LedgerSecretInForce extends LedgerSecret {
  readonly commitEvidence: CommitEvidence;
}

/** All secrets of a ledger, each in force from its version to the next one's. */
export class LedgerSecrets {
  readonly #hash: Hash;
  /** In ascending order of version. */
  readonly #secrets: LedgerSecretInForce[] = [];
  #last: LedgerSecretInForce | undefined;
  #lastEnd = 0;

  constructor(hash: Hash, secrets: Iterable<LedgerSecret> = []) {
    this.#hash = hash;
    for (const secret of secrets) this.add(secret);
  }

  /** Adds a secret of any age. One that is known already is not added again. */
  add(secret: LedgerSecret): void {
    assert(secret.key.length === 32, "a ledger secret has 32 bytes");
    assert(secret.version >= 0, "a version is a sequence number");
    const at = this.#secrets.findIndex((known) => known.version >= secret.version);
    if (at >= 0 && this.#secrets[at]!.version === secret.version) return;
    const commitEvidence = new CommitEvidence(secret.key, this.#hash);
    this.#secrets.splice(at < 0 ? this.#secrets.length : at, 0, { ...secret, commitEvidence });
    this.#last = undefined;
  }

  /** Notes where the secret before the one of `version` was stored, encrypted under it. */
  recordStored(version: number, seqno: number): void {
    const index = this.#secrets.findIndex((secret) => secret.version === version);
    assert(index >= 0, "only a known secret was used to store another");
    this.#secrets[index] = { ...this.#secrets[index]!, previousSecretStoredVersion: seqno };
    this.#last = undefined;
  }

  get count(): number {
    return this.#secrets.length;
  }

  /** In ascending order of version. */
  all(): readonly LedgerSecretInForce[] {
    return this.#secrets;
  }

  latest(): LedgerSecretInForce | undefined {
    return this.#secrets.at(-1);
  }

  /** The secret that encrypts transaction `seqno`. @throws {CocoError} SecretMissing */
  at(seqno: number): LedgerSecretInForce {
    const last = this.#last;
    if (last !== undefined && seqno >= last.version && seqno < this.#lastEnd) return last;
    for (let index = this.#secrets.length - 1; index >= 0; index--) {
      const secret = this.#secrets[index]!;
      if (secret.version > seqno) continue;
      this.#last = secret;
      this.#lastEnd = this.#secrets[index + 1]?.version ?? Number.MAX_SAFE_INTEGER;
      return secret;
    }
    throw ledgerErrors.create("SecretMissing", `seqno ${seqno}`, { seqno });
  }

  /** Forgets the secrets that were to come into force after `seqno`: a rollback of a re-key. */
  rollback(seqno: number): void {
    // The re-key transaction itself carries the number before the new secret's version.
    while ((this.latest()?.version ?? 0) > seqno + 1) this.#secrets.pop();
    this.#last = undefined;
  }
}
