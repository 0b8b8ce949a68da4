import { defineConfig } from "vitest/config";
import { TestCountReporter } from "./tools/test-count-reporter.ts";

export default defineConfig({
  resolve: { conditions: ["coco-source"] },
  ssr: { resolve: { conditions: ["coco-source"] } },
  test: {
    include: ["packages/*/src/**/*.test.ts", "tools/**/*.test.ts", "bench/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2,
    reporters: ["default", new TestCountReporter()],
  },
});
