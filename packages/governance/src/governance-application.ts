/** Governance as an application: everything under `/gov`. */
import { assert } from "@coco/base";
import {
  type Admitted,
  type Application,
  createStaticEndpointTable,
  type ExecutionContext,
  type Outcome,
} from "@coco/runtime";
import type { Transaction } from "@coco/store";
import { memberRoutes } from "./api/member-routes.ts";
import { policyRoutes } from "./api/policy-routes.ts";
import { proposalRoutes } from "./api/proposal-routes.ts";
import { recoveryRoutes } from "./api/recovery-routes.ts";
import { checkApiVersion, checkSignedCall, parseQuery } from "./api/request-checks.ts";
import { isSignedRoute, type Route, type RoutePorts, routeToEndpoint } from "./api/route.ts";
import { serviceRoutes } from "./api/service-routes.ts";
import { transactionRoutes } from "./api/transaction-routes.ts";

export type GovernancePorts = RoutePorts;

const routes: readonly Route[] = [
  ...proposalRoutes,
  ...memberRoutes,
  ...recoveryRoutes,
  ...serviceRoutes,
  ...policyRoutes,
  ...transactionRoutes,
];

/**
 * The `/gov` API, versions 2024-07-01 and 2023-06-01-preview.
 * Transactions come with the access "node"; constitution code is restricted inside.
 */
export function createGovernanceApplication(ports: GovernancePorts): Application {
  const execute = (
    transaction: Transaction,
    item: Admitted,
    context: ExecutionContext,
  ): Outcome => {
    const route = context.endpoint.handler as Route | undefined;
    assert(route !== undefined && routes.includes(route), "The endpoint is one of this table.");
    const { request } = item;
    const query = parseQuery(request.query);
    const call = { transaction, request, context, params: context.params, query, ports };
    if (!isSignedRoute(route)) {
      const version = checkApiVersion(route, query);
      return version.kind === "refused" ? version.outcome : route.handle(call);
    }
    // Who signs is asked before the version, as authentication comes first.
    const signed = checkSignedCall(route, request, context.caller);
    if (signed.kind === "refused") return signed.outcome;
    const version = checkApiVersion(route, query);
    return version.kind === "refused" ? version.outcome : route.handle(call, signed.value);
  };
  return {
    name: "governance",
    prefix: "/gov",
    endpoints: createStaticEndpointTable(routes.map(routeToEndpoint)),
    execute,
  };
}
