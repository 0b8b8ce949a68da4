/** One governance endpoint and what its handler is given. */
import type { AppRequest, Endpoint, ExecutionContext, Outcome } from "@coco/runtime";
import type { Transaction } from "@coco/store";
import type { NodeServices, RecoveryServices } from "../node-services.ts";
import type { ProposalPorts, SignedRequest } from "../proposals.ts";

export type ApiVersion = "2023-06-01-preview" | "2024-07-01";

type MessageType = "proposal" | "ballot" | "withdrawal" | "state_digest" | "ack" | "recovery_share";

export interface RoutePorts extends ProposalPorts {
  readonly services: NodeServices;
  readonly recovery: RecoveryServices;
}

/** A request whose member and message type are known. */
export interface SignedCall extends SignedRequest {
  /** `ccf.gov.msg.proposal_id` */
  readonly proposalId: string | undefined;
}

export interface Call {
  readonly transaction: Transaction;
  readonly request: AppRequest;
  readonly context: ExecutionContext;
  readonly params: Readonly<Record<string, string>>;
  readonly query: ReadonlyMap<string, string>;
  readonly ports: RoutePorts;
}

interface RouteBase {
  readonly method: "GET" | "POST";
  /** Template under `/gov`. */
  readonly path: string;
  /** Older version that the route does not know yet. */
  readonly versionMin?: ApiVersion;
  readonly isStoreFree?: boolean;
}

/** Anyone may read. */
interface ReadRoute extends RouteBase {
  readonly method: "GET";
  readonly handle: (call: Call) => Outcome;
}

/** Members sign what they write. */
export interface SignedRoute extends RouteBase {
  readonly method: "POST";
  readonly policy: "member_cose_sign1" | "active_member_cose_sign1";
  readonly messageType: MessageType;
  readonly handle: (call: Call, signed: SignedCall) => Outcome;
}

export type Route = ReadRoute | SignedRoute;

export function isSignedRoute(route: Route): route is SignedRoute {
  return route.method === "POST";
}

/** The route as the front and the authentication see it. */
export function routeToEndpoint(route: Route): Endpoint {
  const isSigned = isSignedRoute(route);
  return {
    path: route.path,
    method: route.method,
    mode: isSigned ? "readwrite" : "readonly",
    authnPolicies: [isSigned ? route.policy : "no_auth"],
    forwardingRequired: isSigned ? "always" : "sometimes",
    redirectionStrategy: isSigned ? "to_primary" : "none",
    isOpenBeforeService: true,
    isStoreFree: route.isStoreFree ?? false,
    isOpenapiHidden: true,
    handler: route,
  };
}
