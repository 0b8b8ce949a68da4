/** Recorded COSE messages, signed again: at our time, over our identifiers, by the same keys. */
import {
  CborTag,
  type CborValue,
  coseToBeSigned,
  decodeCbor,
  encodeCbor,
  type Signer,
  utf8ToBytes,
  type Verifier,
} from "@coco/base";
import type { IdentityMap } from "./identities.ts";

export interface MessageKeys {
  /** Signers by key id: hex SHA-256 of their certificates. */
  readonly signerOf: (keyId: string) => Signer | undefined;
  readonly verifier: Verifier;
  readonly identities: IdentityMap;
  /** Added to times of the recording, in seconds. */
  readonly secondsLater: number;
}

const createdAt = "ccf.gov.msg.created_at";
const proposalId = "ccf.gov.msg.proposal_id";
/** Earlier times are in the recording on purpose. */
const plausibleSeconds = 1_000_000_000;
const plausibleSecondsMax = 9_999_999_999;

/** Bytes that are no COSE_Sign1 at all stay as they are. */
export function signAgain(keys: MessageKeys, recorded: Uint8Array): Uint8Array {
  const parts = toParts(recorded);
  if (parts === undefined) return recorded;
  const { protectedBytes, unprotected, payload, signature, isTagged } = parts;
  const headers = decodeCbor(protectedBytes);
  if (!(headers instanceof Map)) return recorded;
  const changed = encodeCbor(changeHeaders(keys, headers));
  const changedPayload = payload === null ? null : changePayload(keys, payload);
  const keyId = Buffer.from((headers.get(4) as Uint8Array | undefined) ?? []).toString("latin1");
  const signer = keys.signerOf(keyId);
  const message = coseToBeSigned(changed, changedPayload ?? new Uint8Array(0));
  const wasValid =
    signer !== undefined &&
    isAlgorithmOf(signer, headers.get(1)) &&
    keys.verifier.verify(
      signer.algorithm,
      signer.publicKey,
      coseToBeSigned(protectedBytes, payload ?? new Uint8Array(0)),
      signature,
    );
  const signed = wasValid ? signer.sign(message) : signature;
  const array = [changed, unprotected, changedPayload, signed];
  return encodeCbor(isTagged ? new CborTag(18, array) : array);
}

function toParts(bytes: Uint8Array) {
  let decoded: CborValue;
  try {
    decoded = decodeCbor(bytes);
  } catch {
    return undefined;
  }
  const isTagged = decoded instanceof CborTag;
  const parts = isTagged ? ((decoded as CborTag).value as CborValue) : decoded;
  if (!Array.isArray(parts) || parts.length !== 4) return undefined;
  const [protectedBytes, unprotected, payload, signature] = parts;
  if (!(protectedBytes instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    return undefined;
  }
  if (payload !== null && !(payload instanceof Uint8Array)) return undefined;
  return { protectedBytes, unprotected, payload, signature, isTagged };
}

function isAlgorithmOf(signer: Signer, number: CborValue): boolean {
  return number === { ES256: -7, ES384: -35, ES512: -36 }[signer.algorithm as string];
}

function changeHeaders(
  keys: MessageKeys,
  headers: Map<CborValue, CborValue>,
): Map<CborValue, CborValue> {
  const changed = new Map(headers);
  const time = headers.get(createdAt);
  if (typeof time === "number" && time > plausibleSeconds && time <= plausibleSecondsMax) {
    changed.set(createdAt, Math.min(time + keys.secondsLater, plausibleSecondsMax));
  }
  const id = headers.get(proposalId);
  if (typeof id === "string") changed.set(proposalId, keys.identities.apply(id));
  if (id instanceof Uint8Array) {
    const text = Buffer.from(id).toString("latin1");
    changed.set(proposalId, utf8ToBytes(keys.identities.apply(text)));
  }
  return changed;
}

/** Certificates stand in JSON with escaped line ends. */
function changePayload(keys: MessageKeys, payload: Uint8Array): Uint8Array {
  const text = Buffer.from(payload).toString("utf8");
  if (!Buffer.from(text, "utf8").equals(payload)) return payload;
  try {
    const parsed: unknown = JSON.parse(text);
    return utf8ToBytes(JSON.stringify(mapTexts(parsed, (item) => keys.identities.apply(item))));
  } catch {
    return payload;
  }
}

function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [change(key), mapTexts(item, change)]),
  );
}
