/** Errors of the network front: 7000 to 7099. */
import { defineErrors } from "@coco/base";

export const frontErrors = defineErrors("node", {
  AddressInUse: {
    number: 7001,
    title: "The address of an RPC interface is already in use",
    next: "Stop the program that listens there, or change bind_address of the interface",
  },
  AddressNotAvailable: {
    number: 7002,
    title: "The node cannot listen on the address of an RPC interface",
    next: "Give a bind_address of this machine, and a port the node may use",
  },
  BadTlsCertificate: {
    number: 7003,
    title: "The TLS certificate and key of an interface cannot be used together",
    next: "Check that both are PEM and belong to each other",
  },
  PortSharingNotSupported: {
    number: 7004,
    title: "Several front workers need Node 22.12 or later",
    next: "Set front.workers to 1, or run the node on a later Node",
  },
});
