/** Errors of the evm room: 9900 to 9999. */
import { defineErrors } from "@coco/base";

export const evmErrors = defineErrors("evm", {
  ModuleMissing: {
    number: 9900,
    title: "The virtual machine is not compiled",
    next: "Run `npm run build` in the checkout",
  },
  MachineFull: {
    number: 9901,
    title: "The virtual machine has no memory left and was reset",
    next: "Write the changes of fewer transactions at once, or raise the memory of the machine",
  },
  BadMessage: {
    number: 9902,
    title: "The message cannot be executed",
    next: "Give addresses of 20 bytes, and numbers within their ranges",
  },
  MachineBusy: {
    number: 9903,
    title: "The virtual machine is already executing",
    next: "Use a second machine from within a host function or a tracer",
  },
});
