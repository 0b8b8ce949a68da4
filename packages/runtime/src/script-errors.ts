/** Errors of the sandbox and of script applications: 6100 to 6199. */
import { defineErrors } from "@coco/base";

export const scriptErrors = defineErrors("runtime", {
  ModuleNotFound: {
    number: 6100,
    title: "A module is not in the bundle",
    next: "Add the module to the bundle, or correct the name that imports it",
  },
  BadModule: {
    number: 6101,
    title: "A module cannot be loaded",
    next: "Correct the source at the place that is named",
  },
  ExportNotFound: {
    number: 6102,
    title: "A module does not export what was asked of it",
    next: "Export a function of that name from the module",
  },
  ScriptFailed: {
    number: 6103,
    title: "Code in the sandbox threw an exception",
    next: "Look at the trace and correct the code",
  },
  PromiseNeverSettles: {
    number: 6104,
    title: "A function in the sandbox returned a promise that nothing can settle",
    next: "Return a value: there are no timers and no input or output to wait for",
  },
  ExecutionTimeLimit: {
    number: 6105,
    title: "Code in the sandbox ran too long and was stopped",
    next: "Do less work in one call, or raise max_execution_time_ms by set_js_runtime_options",
  },
  TransactionOver: {
    number: 6106,
    title: "A handler used its transaction after it had returned",
    next: "Use ccf.kv, ccf.rpc and the request only while the handler runs",
  },
});
