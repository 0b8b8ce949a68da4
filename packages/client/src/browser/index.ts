export { createBrowserCrypto } from "./browser-crypto.ts";
export { type BrowserConnectOptions, connectBrowser } from "./connect-browser.ts";
export { createFetchTransport, type FetchLike } from "./fetch-transport.ts";
