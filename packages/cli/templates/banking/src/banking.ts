/**
 * Accounts and transfers. Balances are private; every transfer leaves a public record of its
 * number only. A user owns the account that carries the id of their certificate.
 */
import { badRequest } from "./http.ts";

interface Account {
  readonly balance: number;
}

const accounts = () => ccf.kv["accounts"]!;
const transferCount = () => ccf.kv["public:transfer_count"]!;
const countKey = ccf.strToBuf("count");

function refuse(statusCode: number, code: string, message: string): AppResponse {
  return { statusCode, body: { error: { code, message } } };
}

function readAccount(id: string): Account | undefined {
  const stored = accounts().get(ccf.strToBuf(id));
  return stored === undefined ? undefined : ccf.bufToJsonCompatible<Account>(stored);
}

function writeAccount(id: string, account: Account): void {
  accounts().set(ccf.strToBuf(id), ccf.jsonCompatibleToBuf(account));
}

function isAmount(amount: unknown): amount is number {
  return Number.isSafeInteger(amount) && (amount as number) > 0;
}

/** Members open accounts: the id is the user's certificate fingerprint. */
export function putAccount(request: AppRequest): AppResponse {
  const id = request.params["id"]!;
  if (!/^[0-9a-f]{64}$/.test(id)) return badRequest("InvalidInput", "The id is no user id.");
  const { balance } = request.body.json<Account>();
  if (!Number.isSafeInteger(balance) || balance < 0) {
    return badRequest("InvalidInput", "The balance is no whole number from 0 on.");
  }
  if (readAccount(id) !== undefined) return refuse(409, "AccountExists", `${id} has an account.`);
  writeAccount(id, { balance });
  return { statusCode: 204 };
}

/** A user sees the own account only. */
export function getAccount(request: AppRequest): AppResponse {
  const account = readAccount(request.caller.id ?? "");
  if (account === undefined) return refuse(404, "AccountNotFound", "You have no account.");
  return { body: account };
}

/** Moves money from the caller to another user: both accounts change in one transaction. */
export function postTransfer(request: AppRequest): AppResponse {
  const from = request.caller.id ?? "";
  const { to, amount } = request.body.json<{ to: string; amount: number }>();
  if (typeof to !== "string" || !isAmount(amount) || to === from) {
    return badRequest("InvalidInput", "The body needs another user's id and a positive amount.");
  }
  const source = readAccount(from);
  const target = readAccount(to);
  if (source === undefined || target === undefined) {
    return refuse(404, "AccountNotFound", "One of the two accounts does not exist.");
  }
  if (source.balance < amount) return refuse(409, "InsufficientFunds", "The balance is too low.");
  writeAccount(from, { balance: source.balance - amount });
  writeAccount(to, { balance: target.balance + amount });
  const stored = transferCount().get(countKey);
  const number = stored === undefined ? 1 : ccf.bufToJsonCompatible<number>(stored) + 1;
  transferCount().set(countKey, ccf.jsonCompatibleToBuf(number));
  return { body: { transfer: number } };
}
