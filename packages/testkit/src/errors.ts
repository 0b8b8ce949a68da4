/** Errors of the testkit room: 9500 to 9599. */
import { defineErrors } from "@coco/base";

export const testkitErrors = defineErrors("testkit", {
  BadResponse: {
    number: 9501,
    title: "The node's answer cannot be used by the load generator",
    next: "Check that the URL is that of a node that speaks HTTP/1.1 with content-length",
  },
  ConnectionLost: {
    number: 9502,
    title: "The connection to the node was lost",
    next: "Check that the node runs, that its certificate fits and that it accepts yours",
  },
  RequestRefused: {
    number: 9503,
    title: "The node refused a request of the load",
    next: "Check that the service is open and that the logging app and the user are installed",
  },
  GeneratorFailed: {
    number: 9504,
    title: "The load generator's process ended without a result",
    next: "Build the project and run the load again",
  },
  BadLoadOptions: {
    number: 9505,
    title: "The load cannot be run as asked",
    next: "Give an https URL, a client certificate with its key, and positive numbers",
  },
});
