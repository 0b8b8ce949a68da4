/** `/gov/service`: the application, the join policy and the token issuers. */
import { base64ToBytes, derToPem } from "@coco/base";
import type { Outcome } from "@coco/runtime";
import type { Transaction } from "@coco/store";
import type { EndpointProperties, JwtSigningKey } from "../table-values.ts";
import { governanceTables } from "../tables.ts";
import { errorOutcome, jsonOutcome, scriptOutcome } from "./responses.ts";
import type { Call, Route } from "./route.ts";

/** Defaults as CCF reads an endpoint whose properties were left out. */
function describeEndpoint(properties: EndpointProperties): Record<string, unknown> {
  return {
    authnPolicies: properties.authn_policies ?? [],
    forwardingRequired: properties.forwarding_required ?? "always",
    jsFunction: properties.js_function,
    jsModule: properties.js_module,
    mode: properties.mode ?? "readwrite",
    openApi: properties.openapi ?? null,
    redirectionStrategy: properties.redirection_strategy ?? "to_primary",
  };
}

function getApplication(call: Call): Outcome {
  const style = call.query.get("case");
  if (style !== undefined && style !== "original") {
    const message = "Accepted values for the 'case' query parameter are: original";
    return errorOutcome(400, "InvalidQueryParameterValue", message);
  }
  const endpoints: Record<string, Record<string, unknown>> = {};
  for (const [key, properties] of governanceTables.endpoints.of(call.transaction).entries()) {
    const space = key.indexOf(" ");
    const path = key.slice(space + 1);
    endpoints[path] ??= {};
    const description = style === "original" ? { ...properties } : describeEndpoint(properties);
    endpoints[path][key.slice(0, space)] = description;
  }
  return jsonOutcome({ endpoints });
}

function listModules(call: Call): Outcome {
  const modules = governanceTables.modules.of(call.transaction).entries();
  return jsonOutcome({ value: modules.map(([moduleName]) => ({ moduleName })) });
}

function getModule(call: Call): Outcome {
  let name: string;
  try {
    name = decodeURIComponent(call.params["moduleName"] ?? "");
  } catch {
    const message = "The module name is not percent-encoded UTF-8; write / as %2F";
    return errorOutcome(400, "InvalidResourceName", message);
  }
  const source = governanceTables.modules.of(call.transaction).get(name);
  return source === undefined
    ? errorOutcome(404, "ResourceNotFound", `Module ${name} does not exist.`)
    : scriptOutcome(source);
}

function allowedKeys(entries: readonly (readonly [string, string])[]): readonly string[] {
  return entries.filter(([, status]) => status === "AllowedToJoin").map(([key]) => key);
}

function describeSnpPolicy(transaction: Transaction): Record<string, unknown> {
  const tables = governanceTables;
  return {
    hostData: Object.fromEntries(tables.snpHostData.of(transaction).entries()),
    measurements: allowedKeys(tables.snpMeasurements.of(transaction).entries()),
    tcbVersions: Object.fromEntries(tables.snpTcbVersions.of(transaction).entries()),
    uvmEndorsements: Object.fromEntries(tables.snpUvmEndorsements.of(transaction).entries()),
  };
}

function getJoinPolicy(call: Call): Outcome {
  const { transaction } = call;
  const tables = governanceTables;
  return jsonOutcome({
    sgx: { measurements: allowedKeys(tables.nodeCodeIds.of(transaction).entries()) },
    snp: describeSnpPolicy(transaction),
    virtual: {
      hostData: tables.virtualHostData
        .of(transaction)
        .entries()
        .map(([hostData]) => hostData),
      measurements: allowedKeys(tables.virtualMeasurements.of(transaction).entries()),
    },
  });
}

function describeKey(key: JwtSigningKey): Record<string, unknown> {
  return {
    constraint: key.constraint ?? null,
    issuer: key.issuer,
    publicKey: derToPem(base64ToBytes(key.public_key), "PUBLIC KEY"),
  };
}

function getJwk(call: Call): Outcome {
  const { transaction } = call;
  const issuers = governanceTables.jwtIssuers
    .of(transaction)
    .entries()
    .map(([issuer, metadata]) => [
      issuer,
      {
        autoRefresh: metadata.auto_refresh ?? false,
        caCertBundleName: metadata.ca_cert_bundle_name,
      },
    ]);
  const keys = governanceTables.jwtSigningKeys
    .of(transaction)
    .entries()
    .map(([kid, list]) => [kid, list.map(describeKey)]);
  return jsonOutcome({
    caCertBundles: Object.fromEntries(governanceTables.caCertBundles.of(transaction).entries()),
    issuers: Object.fromEntries(issuers),
    keys: Object.fromEntries(keys),
  });
}

const versionMin = "2024-07-01";

export const policyRoutes: readonly Route[] = [
  { method: "GET", path: "/service/javascript-app", versionMin, handle: getApplication },
  { method: "GET", path: "/service/javascript-modules", versionMin, handle: listModules },
  {
    method: "GET",
    path: "/service/javascript-modules/{moduleName}",
    versionMin,
    handle: getModule,
  },
  { method: "GET", path: "/service/join-policy", handle: getJoinPolicy },
  { method: "GET", path: "/service/jwk", handle: getJwk },
];
