/** Part of the default constitution: the JavaScript application and the issuers of its tokens. */
export const applicationActionsSource = String.raw`
function moduleList(value, name) {
  array(value, name);
  const names = new Set();
  value.forEach((module, index) => {
    const item = name + "[" + index + "]";
    object(module, item);
    nonEmptyString(module.name, item + ".name");
    string(module.module, item + ".module");
    if (names.has(module.name)) throw new Error(item + ".name is there twice: " + module.name);
    names.add(module.name);
  });
}

function authnPolicy(value, name) {
  if (typeof value === "string") return;
  object(value, name);
  array(value.all_of, name + ".all_of");
  value.all_of.forEach((policy, index) => string(policy, name + ".all_of[" + index + "]"));
}

function endpoint(value, name, moduleNames) {
  object(value, name);
  nonEmptyString(value.js_module, name + ".js_module");
  nonEmptyString(value.js_function, name + ".js_function");
  oneOf(["readwrite", "readonly", "historical"])(value.mode, name + ".mode");
  oneOf(["sometimes", "always", "never"])(value.forwarding_required, name + ".forwarding_required");
  const redirection = value.redirection_strategy;
  if (redirection !== undefined) {
    oneOf(["none", "to_primary", "to_backup"])(redirection, name + ".redirection_strategy");
  }
  optional(object)(value.openapi, name + ".openapi");
  optional(boolean)(value.openapi_hidden, name + ".openapi_hidden");
  array(value.authn_policies, name + ".authn_policies");
  value.authn_policies.forEach((policy, index) => {
    authnPolicy(policy, name + ".authn_policies[" + index + "]");
  });
  if (!moduleNames.includes(value.js_module)) {
    throw new Error(name + ".js_module is not in the bundle: " + value.js_module);
  }
}

const verbs = ["get", "post", "put", "delete", "patch", "head", "options"];

function appBundle(value, name) {
  object(value, name);
  moduleList(value.modules, name + ".modules");
  const moduleNames = value.modules.map((module) => module.name);
  object(value.metadata, name + ".metadata");
  object(value.metadata.endpoints, name + ".metadata.endpoints");
  for (const [path, operations] of Object.entries(value.metadata.endpoints)) {
    const pathName = name + ".metadata.endpoints[" + JSON.stringify(path) + "]";
    if (!path.startsWith("/")) throw new Error(pathName + " has to begin with /");
    object(operations, pathName);
    for (const [verb, properties] of Object.entries(operations)) {
      const verbName = pathName + "[" + JSON.stringify(verb) + "]";
      if (!verbs.includes(verb.toLowerCase())) throw new Error(verbName + " is not an HTTP verb");
      endpoint(properties, verbName, moduleNames);
    }
  }
}

defineAction(
  "set_js_app",
  { bundle: appBundle, disable_bytecode_cache: optional(boolean) },
  (args) => {
    ccf.kv[tables.modules].clear();
    ccf.kv[tables.endpoints].clear();
    for (const module of args.bundle.modules) {
      writeText(tables.modules, "/" + module.name, module.module);
    }
    if (args.disable_bytecode_cache) {
      ccf.kv[tables.modulesBytecode].clear();
      ccf.kv[tables.modulesBytecodeVersion].clear();
    } else {
      ccf.refreshAppBytecodeCache();
    }
    writeJson(tables.interpreterFlush, undefined, true);
    for (const [path, operations] of Object.entries(args.bundle.metadata.endpoints)) {
      for (const [verb, properties] of Object.entries(operations)) {
        const stored = { ...properties, js_module: "/" + properties.js_module };
        writeJson(tables.endpoints, verb.toUpperCase() + " " + path, stored);
      }
    }
  },
);

defineAction("remove_js_app", {}, () => {
  ccf.kv[tables.modules].clear();
  ccf.kv[tables.modulesBytecode].clear();
  ccf.kv[tables.modulesBytecodeVersion].clear();
  ccf.kv[tables.interpreterFlush].clear();
  ccf.kv[tables.endpoints].clear();
});

const positiveInteger = integerBetween(1, Number.MAX_SAFE_INTEGER);

defineAction(
  "set_js_runtime_options",
  {
    max_heap_bytes: positiveInteger,
    max_stack_bytes: positiveInteger,
    max_execution_time_ms: positiveInteger,
    log_exception_details: optional(boolean),
    return_exception_details: optional(boolean),
    max_cached_interpreters: optional(integerBetween(0, Number.MAX_SAFE_INTEGER)),
  },
  (args) => writeJson(tables.runtimeOptions, undefined, args),
);

defineAction("refresh_js_app_bytecode_cache", {}, () => {
  ccf.refreshAppBytecodeCache();
});

defineAction(
  "set_ca_cert_bundle",
  { name: nonEmptyString, cert_bundle: certificateBundle },
  (args) => writeJson(tables.caBundles, args.name, args.cert_bundle),
);

defineAction("remove_ca_cert_bundle", { name: nonEmptyString }, (args) => {
  remove(tables.caBundles, args.name);
});

function signingKeySet(value, name) {
  object(value, name);
  array(value.keys, name + ".keys");
  value.keys.forEach((key, index) => signingKey(key, name + ".keys[" + index + "]"));
}

function signingKey(key, name) {
  object(key, name);
  nonEmptyString(key.kid, name + ".kid");
  nonEmptyString(key.kty, name + ".kty");
  if (key.x5c !== undefined) {
    array(key.x5c, name + ".x5c");
    if (key.x5c.length === 0) throw new Error(name + ".x5c must not be empty");
    key.x5c.forEach((der, index) => {
      const certificateName = name + ".x5c[" + index + "]";
      string(der, certificateName);
      const lines = ["-----BEGIN CERTIFICATE-----", der, "-----END CERTIFICATE-----", ""];
      certificateBundle(lines.join("\n"), certificateName);
    });
  } else if (key.n !== undefined && key.e !== undefined) {
    nonEmptyString(key.n, name + ".n");
    nonEmptyString(key.e, name + ".e");
  } else if (key.x !== undefined && key.y !== undefined) {
    nonEmptyString(key.x, name + ".x");
    nonEmptyString(key.y, name + ".y");
    nonEmptyString(key.crv, name + ".crv");
  } else {
    throw new Error(name + " needs x5c, or n and e for an RSA key, or x, y and crv for an EC key");
  }
}

// Keys that are fetched come over TLS from the issuer's own host.
function checkAutoRefresh(args) {
  if (!args.auto_refresh) return;
  if (!args.ca_cert_bundle_name) {
    throw new Error("args.auto_refresh needs args.ca_cert_bundle_name");
  }
  if (!/^https:\/\/[^/?#]+[^?#]*$/.test(args.issuer)) {
    throw new Error(
      "args.auto_refresh needs an args.issuer that begins with https:// and has no ? or #",
    );
  }
}

defineAction(
  "set_jwt_issuer",
  {
    issuer: nonEmptyString,
    auto_refresh: optional(boolean),
    ca_cert_bundle_name: optional(string),
    jwks: optional(signingKeySet),
  },
  (args) => {
    const { jwks, ...metadata } = args;
    const bundleName = metadata.ca_cert_bundle_name;
    if (metadata.auto_refresh && !ccf.kv[tables.caBundles].has(toKey(bundleName))) {
      throw new Error("There is no CA certificate bundle called " + bundleName);
    }
    if (jwks) ccf.setJwtPublicSigningKeys(args.issuer, metadata, jwks);
    writeJson(tables.jwtIssuers, args.issuer, metadata);
  },
  checkAutoRefresh,
);

defineAction(
  "set_jwt_public_signing_keys",
  { issuer: nonEmptyString, jwks: signingKeySet },
  (args) => {
    const metadata = readJson(tables.jwtIssuers, args.issuer);
    if (metadata === undefined) throw new Error("There is no issuer " + args.issuer);
    ccf.setJwtPublicSigningKeys(args.issuer, metadata, args.jwks);
  },
);

defineAction("remove_jwt_issuer", { issuer: nonEmptyString }, (args) => {
  if (!ccf.kv[tables.jwtIssuers].has(toKey(args.issuer))) return;
  remove(tables.jwtIssuers, args.issuer);
  ccf.removeJwtPublicSigningKeys(args.issuer);
});

// Records of services that were started by CCF before 6.0.
defineAction(
  "cleanup_legacy_jwt_records",
  { ensure_new_records_exist: optional(boolean) },
  (args) => {
    if (args.ensure_new_records_exist && ccf.kv[tables.jwtKeys].size === 0) {
      throw new Error("There are no JWT signing keys in the present form");
    }
    ccf.kv["public:ccf.gov.jwt.public_signing_keys"].clear();
    ccf.kv["public:ccf.gov.jwt.public_signing_keys_metadata"].clear();
    ccf.kv["public:ccf.gov.jwt.public_signing_key_issuer"].clear();
  },
);
`;
