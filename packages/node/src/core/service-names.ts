/** Names that a service keeps through its recoveries: in its certificate and in its signatures. */
import { decodeCoseSign1, parseCertificate } from "@coco/base";
import { governanceTables, internalTables } from "@coco/governance";
import type { CoseIssuer, Store } from "@coco/store";
import type { ExecutorSettings } from "./executor-messages.ts";

export interface ServiceNames {
  /** `CN=CCF Service` */
  readonly serviceSubject: string;
  readonly coseIssuer: CoseIssuer;
}

const defaultIssuer: CoseIssuer = { issuer: "service.example.com", subject: "ledger.signature" };

/** Labels of CWT claims in a COSE header, and of issuer and subject in them. @source RFC 8392 */
const cwtClaims = 15;
const issuerLabel = 1;
const subjectLabel = 2;

/** As configured for a new service; a recovered one has the names of its predecessor. */
export function findServiceNames(settings: ExecutorSettings, store: Store): ServiceNames {
  const { serviceSubject, coseIssuer } = settings;
  if (serviceSubject !== undefined && coseIssuer !== undefined) {
    return { serviceSubject, coseIssuer };
  }
  const transaction = store.begin("node");
  const certificate = governanceTables.serviceInfo.get(transaction)?.cert;
  const cose = internalTables.coseSignatures.get(transaction);
  transaction.discard();
  return {
    serviceSubject:
      certificate === undefined ? "CN=CCF Service" : parseCertificate(certificate).subject,
    coseIssuer: cose === undefined ? defaultIssuer : readIssuer(cose),
  };
}

function readIssuer(cose: Uint8Array): CoseIssuer {
  const claims = decodeCoseSign1(cose).protectedHeaders.get(cwtClaims);
  if (!(claims instanceof Map)) return defaultIssuer;
  const issuer: unknown = claims.get(issuerLabel);
  const subject: unknown = claims.get(subjectLabel);
  const isNamed = typeof issuer === "string" && typeof subject === "string";
  return isNamed ? { issuer, subject } : defaultIssuer;
}
