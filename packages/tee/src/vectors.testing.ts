/** Real evidence for tests, and how to run a verifier on it. */
import { existsSync, readFileSync } from "node:fs";
import { createNodeCrypto } from "@coco/base/node";

const folder = `${process.env["COCO_VECTORS"] ?? "../shared/vectors"}/tee`;

export const hasVectors = existsSync(`${folder}/MANIFEST.md`);
export const crypto = createNodeCrypto();

export function readVector(name: string): Uint8Array {
  return new Uint8Array(readFileSync(`${folder}/${name}`));
}

export function readVectorText(name: string): string {
  return readFileSync(`${folder}/${name}`, "utf8");
}
