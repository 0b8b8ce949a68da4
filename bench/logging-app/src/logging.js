/* The app of the `logging` workload: one private table of messages, one request one record. */

const table = "records";

function badRequest(message) {
  return { statusCode: 400, body: { error: { code: "InvalidInput", message } } };
}

/** POST /log/private {"id": number, "msg": string} */
export function writeMessage(request) {
  const { id, msg } = request.body.json();
  if (!Number.isSafeInteger(id)) return badRequest("id is a whole number");
  if (typeof msg !== "string" || msg === "") return badRequest("msg is a text");
  ccf.kv[table].set(ccf.strToBuf(String(id)), ccf.strToBuf(msg));
  return { body: true };
}

/** GET /log/private?id=number */
export function readMessage(request) {
  const id = /(?:^|&)id=([0-9]+)/.exec(request.query)?.[1];
  if (id === undefined) return badRequest("id is missing");
  const message = ccf.kv[table].get(ccf.strToBuf(id));
  if (message === undefined) {
    return { statusCode: 404, body: { error: { code: "ResourceNotFound", message: "No record" } } };
  }
  return { body: { msg: ccf.bufToStr(message) } };
}
