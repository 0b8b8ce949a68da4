/** Parts of the node that the test kit drives directly. */
export { httpMethods } from "./front/http-methods.ts";
export type { ParseFailure } from "./front/parse-failure.ts";
export { type RequestLimits, RequestParser } from "./front/request-parser.ts";
