/** Index strategies that the program around the node brings along, one module for each. */
import type { Log } from "@coco/base";
import type { IndexService } from "./index-service.ts";
import type { CommittedSource, IndexStrategy } from "./indexing.ts";

/** What a module's strategy may use. */
export interface IndexContext {
  /** Reads past transactions again: what a strategy forgets to bound its memory. */
  readonly source: CommittedSource;
  readonly log: Log;
}

/** The default export of an index module. */
export type CreateIndexStrategy = (context: IndexContext) => IndexStrategy;

/**
 * Loads and installs strategies; one that cannot be loaded is named in the log, and the node goes
 * on without it: an index is no part of the service's state.
 * @param urls of ES modules whose default export is a `CreateIndexStrategy`
 */
export async function installIndexModules(
  urls: readonly string[],
  indexes: Pick<IndexService, "install">,
  context: IndexContext,
): Promise<void> {
  for (const url of urls) {
    try {
      const module = (await import(url)) as { readonly default: CreateIndexStrategy };
      indexes.install(module.default(context));
    } catch (error) {
      context.log("error", "an index module could not be installed", {
        module: url,
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }
}
