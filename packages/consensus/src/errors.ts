/** Errors of the consensus room: 3000 to 3099. */
import { defineErrors } from "@coco/base";

export const consensusErrors = defineErrors("consensus", {
  TooManyPendingTransactions: {
    number: 3000,
    title: "Too many transactions wait to be committed",
    next: "Try again when some of them are committed",
  },
  NotPrimary: {
    number: 3001,
    title: "This node is not the primary",
    next: "Send the request to the primary, or wait until the network has elected one",
  },
  UnsupportedConfiguration: {
    number: 3002,
    title: "The consensus engine cannot run with these nodes",
    next: "Start the network with an engine that replicates",
  },
  BadMessage: {
    number: 3003,
    title: "A consensus message is malformed",
    next: "Check that all nodes of the network run code that the members approved",
  },
});
