/** Reads the compiled module from the package. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { evmErrors } from "../errors.ts";
import type { EvmModule } from "../types.ts";

/** The part of the platform's WebAssembly that is used; Node's types do not declare it. */
interface Platform {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, object>>,
  ) => { readonly exports: unknown };
}

const loaded = new Map<string, EvmModule>();

/**
 * The virtual machine, compiled once per process and kind.
 * @throws {CocoError} ModuleMissing
 */
export function loadEvmModule(options: { readonly isTracing?: boolean } = {}): EvmModule {
  const isTracing = options.isTracing === true;
  const file = isTracing ? "evm-tracing.wasm" : "evm.wasm";
  const known = loaded.get(file);
  if (known !== undefined) return known;
  // From src and from dist alike, the module is in the folder dist of the package.
  const url = new URL(`../../dist/${file}`, import.meta.url);
  if (!existsSync(url)) throw evmErrors.create("ModuleMissing", file);
  const bytes = readFileSync(url);
  const platform = (globalThis as unknown as { WebAssembly: Platform }).WebAssembly;
  const compiled = new platform.Module(bytes);
  const module: EvmModule = {
    hash: createHash("sha256").update(bytes).digest("hex"),
    isTracing,
    instantiate: (imports) => new platform.Instance(compiled, imports).exports,
  };
  loaded.set(file, module);
  return module;
}
