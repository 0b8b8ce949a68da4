/** Which code may read and write which table. @source CCF doc/audit/read_write_restrictions */
import type { Access } from "./types.ts";

/** What the name of a table says about it. */
export type TableClass =
  | "publicGovernance"
  | "publicInternal"
  | "publicApplication"
  | "privateApplication"
  /** Private governance and internal tables, and other names under `ccf.`: for the node only. */
  | "reserved";

export interface AccessRights {
  readonly canRead: boolean;
  readonly canWrite: boolean;
}

const publicPrefix = "public:";

/** Names are case-sensitive: `Public:x` and `public:CCF.gov.x` are tables of the application. */
export function tableNameToClass(name: string): TableClass {
  const isPublic = name.startsWith(publicPrefix);
  const start = isPublic ? publicPrefix.length : 0;
  if (!name.startsWith("ccf.", start)) return isPublic ? "publicApplication" : "privateApplication";
  if (!isPublic) return "reserved";
  if (name.startsWith("ccf.gov.", start)) return "publicGovernance";
  if (name.startsWith("ccf.internal.", start)) return "publicInternal";
  return "reserved";
}

const nothing: AccessRights = { canRead: false, canWrite: false };
const readOnly: AccessRights = { canRead: true, canWrite: false };
const writeOnly: AccessRights = { canRead: false, canWrite: true };
const everything: AccessRights = { canRead: true, canWrite: true };

const rightsByAccess: Readonly<Record<Access, Readonly<Record<TableClass, AccessRights>>>> = {
  node: {
    publicGovernance: everything,
    publicInternal: everything,
    publicApplication: everything,
    privateApplication: everything,
    reserved: everything,
  },
  application: {
    publicGovernance: readOnly,
    publicInternal: readOnly,
    publicApplication: everything,
    privateApplication: everything,
    reserved: nothing,
  },
  applicationReadOnly: {
    publicGovernance: readOnly,
    publicInternal: readOnly,
    publicApplication: readOnly,
    privateApplication: readOnly,
    reserved: nothing,
  },
  governanceReadOnly: {
    publicGovernance: readOnly,
    publicInternal: readOnly,
    publicApplication: nothing,
    privateApplication: nothing,
    reserved: nothing,
  },
  governanceApply: {
    publicGovernance: everything,
    publicInternal: readOnly,
    publicApplication: writeOnly,
    privateApplication: nothing,
    reserved: nothing,
  },
};

/** What `access` may do with tables of `tableClass`. */
export function accessToRights(access: Access, tableClass: TableClass): AccessRights {
  return rightsByAccess[access][tableClass];
}

const accessNames: Readonly<Record<Access, string>> = {
  node: "node",
  application: "application",
  applicationReadOnly: "read-only application",
  governanceReadOnly: "read-only governance",
  governanceApply: "read-write governance",
};

/** Why `access` was refused a use of a table, as a sentence for the person who wrote the code. */
export function explainRefusal(name: string, access: Access, rights: AccessRights): string {
  const kind = rights.canRead ? "read-only" : rights.canWrite ? "write-only" : "inaccessible";
  return `${JSON.stringify(name)} is ${kind} in ${accessNames[access]} code`;
}
