/** Errors of the node's configuration: 7100 to 7149. */
import { defineErrors } from "@coco/base";

export const configurationErrors = defineErrors("node", {
  ConfigurationNotRead: {
    number: 7101,
    title: "The configuration file cannot be read",
    next: "Give the path of an existing JSON file with --config",
  },
  ConfigurationNotJson: {
    number: 7102,
    title: "The configuration file is not JSON",
    next: "Correct the file at the place named",
  },
  ConfigurationInvalid: {
    number: 7103,
    title: "The configuration is not valid",
    next: "Correct the values named; coco node run --print-schema shows every key",
  },
  ProtocolNotSupported: {
    number: 7104,
    title: "The application protocol of an interface is not supported",
    next: 'Set app_protocol to "HTTP1"; clients that speak HTTP/2 fall back to it by themselves',
  },
});
