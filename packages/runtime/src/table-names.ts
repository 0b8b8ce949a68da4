/** Names of the built-in tables that the runtime reads. @source CCF, audit/builtin_maps */
export const tableNames = {
  memberCertificates: "public:ccf.gov.members.certs",
  memberEncryptionKeys: "public:ccf.gov.members.encryption_public_keys",
  memberInfo: "public:ccf.gov.members.info",
  memberAcks: "public:ccf.gov.members.acks",
  userCertificates: "public:ccf.gov.users.certs",
  userInfo: "public:ccf.gov.users.info",
  jwtIssuers: "public:ccf.gov.jwt.issuers",
  jwtSigningKeys: "public:ccf.gov.jwt.public_signing_keys_metadata_v2",
  caCertificateBundles: "public:ccf.gov.tls.ca_cert_bundles",
  endpoints: "public:ccf.gov.endpoints",
  modules: "public:ccf.gov.modules",
  modulesBytecode: "public:ccf.gov.modules_quickjs_bytecode",
  modulesBytecodeVersion: "public:ccf.gov.modules_quickjs_version",
  runtimeOptions: "public:ccf.gov.js_runtime_options",
  interpreterFlush: "public:ccf.gov.interpreter.flush",
} as const;
