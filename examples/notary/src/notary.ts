/** A register of document digests: who registered which digest first. */

interface Registration {
  readonly owner: string;
  readonly title: string;
}

const digestPattern = /^[0-9a-f]{64}$/;
const titleLengthMax = 200;

function refuse(statusCode: number, code: string, message: string): AppResponse {
  return { statusCode, body: { error: { code, message } } };
}

function registrations(): KvTable {
  return ccf.kv["public:registrations"]!;
}

/** The claim that the receipt proves: `<digest> <owner>` in UTF-8. */
function claimOf(digest: string, owner: string): ArrayBuffer {
  return ccf.strToBuf(`${digest} ${owner}`);
}

export function register(request: AppRequest): AppResponse {
  const { digest, title } = request.body.json<{ digest: string; title: string }>();
  if (typeof digest !== "string" || !digestPattern.test(digest)) {
    return refuse(400, "InvalidInput", "The digest is no SHA-256 in hexadecimal digits.");
  }
  if (typeof title !== "string" || title.length > titleLengthMax) {
    return refuse(400, "InvalidInput", `The title is longer than ${titleLengthMax} characters.`);
  }
  const key = ccf.strToBuf(digest);
  if (registrations().has(key)) {
    return refuse(409, "AlreadyRegistered", "Somebody registered this document before.");
  }
  const owner = request.caller.id!;
  const registration: Registration = { owner, title };
  registrations().set(key, ccf.jsonCompatibleToBuf(registration));
  ccf.rpc.setClaimsDigest(ccf.crypto.digest("SHA-256", claimOf(digest, owner)));
  return { statusCode: 201, body: { digest, owner } };
}

export function find(request: AppRequest): AppResponse {
  const stored = registrations().get(ccf.strToBuf(request.params["digest"]!));
  if (stored === undefined) return refuse(404, "NotRegistered", "Nobody registered this document.");
  return { body: ccf.bufToJsonCompatible<Registration & JsonValue>(stored) };
}
