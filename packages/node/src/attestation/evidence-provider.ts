/** The interface of everything that gives evidence about this process. */
import type { Evidence, TeePlatform } from "@coco/tee";
import { attestationErrors } from "./errors.ts";

export type ProviderName =
  | "gramine"
  | "configfs-tsm"
  | "azure-vtpm"
  | "aci-sidecar"
  | "sev-guest"
  | "windows-vsm"
  | "virtual";

export interface EvidenceRequest {
  /** 64 bytes that the evidence has to repeat. */
  readonly reportData: Uint8Array;
  /** Bytes whose SHA-256 is the first half of `reportData`, where a provider hashes itself. */
  readonly runtimeData?: Uint8Array;
}

export interface EvidenceProvider {
  readonly name: ProviderName;
  /** The platform whose evidence it gives here; undefined when it is absent. Never throws. */
  detect(): Promise<TeePlatform | undefined>;
  /** The endorsements are empty unless the platform hands them out with the report. */
  collect(request: EvidenceRequest): Promise<Evidence>;
}

export const reportDataSizeBytes = 64;

/** @throws {CocoError} ReportDataInvalid */
export function checkReportData({ reportData }: EvidenceRequest): void {
  if (reportData.length === reportDataSizeBytes) return;
  throw attestationErrors.create("ReportDataInvalid", `${reportData.length} bytes`);
}

/** Runs steps one after another, whoever asks: some devices keep state between two files. */
export function createTurnstile(): <Result>(step: () => Promise<Result>) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve();
  return (step) => {
    const next = last.then(step, step);
    last = next.catch(() => undefined);
    return next;
  };
}
