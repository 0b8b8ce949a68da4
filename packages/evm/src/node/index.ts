export { loadEvmModule } from "./load-module.ts";
