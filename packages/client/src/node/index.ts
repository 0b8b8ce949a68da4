export { connectNode, type NodeConnectOptions, pemToMemberSigner } from "./connect-node.ts";
export {
  type ClientIdentity,
  createHttpsTransport,
  type HttpsTransportOptions,
} from "./https-transport.ts";
