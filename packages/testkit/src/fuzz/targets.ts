import type { FuzzTarget } from "./fuzzer.ts";
import { baseTargets } from "./targets/base-targets.ts";
import { consensusTargets } from "./targets/consensus-targets.ts";
import { nodeTargets } from "./targets/node-targets.ts";
import { runtimeTargets } from "./targets/runtime-targets.ts";
import { storeTargets } from "./targets/store-targets.ts";

/** Every parser that faces the outside. */
export const fuzzTargets: readonly FuzzTarget[] = [
  ...nodeTargets,
  ...baseTargets,
  ...storeTargets,
  ...runtimeTargets,
  ...consensusTargets,
];
