import { expect, test } from "vitest";
import { createTestHost, endpointOf } from "../app/script-application.testing.ts";

/**
 * Attempts to get out of the sandbox. Each returns what it got hold of, or throws. The process has
 * really locked down intrinsics, because the engine of the host does that.
 */
const attempts: Readonly<Record<string, string>> = {
  processGlobal: "return typeof process",
  requireGlobal: "return typeof require",
  moduleGlobal: "return typeof module + typeof exports",
  globalGlobal: "return typeof global + typeof window + typeof self",
  globalThisProcess: "return typeof globalThis.process",
  bufferGlobal: "return typeof Buffer + typeof globalThis.Buffer",
  timers: "return typeof setTimeout + typeof setImmediate + typeof queueMicrotask",
  network: "return typeof fetch + typeof WebSocket + typeof XMLHttpRequest",
  wasm: "return typeof WebAssembly",
  sharedMemory: "return typeof SharedArrayBuffer + typeof Atomics",
  weakRefs: "return typeof WeakRef + typeof FinalizationRegistry",
  compartment: "return typeof Compartment + typeof lockdown + typeof harden",
  functionConstructor: "return new Function('return typeof process')()",
  functionThis: "return typeof Function('return this')().process",
  functionBreakout: "return new Function('}), process, (function(){')()",
  functionParameters: "return new Function('a){}), process, (function(', '')()",
  functionComment: "return new Function('/*', '*/){ return process')()",
  constructorChain: "return (() => {}).constructor('return process')()",
  objectChain: "return ({}).constructor.constructor('return process')()",
  arrayChain: "return [].map.constructor('return process')()",
  generatorConstructor: "return (function*() {}).constructor('yield process')().next().value",
  asyncConstructor: "return (async () => {}).constructor('return process')()",
  evalDirect: "return eval('typeof process')",
  evalIndirect: "return (0, eval)('typeof globalThis.process')",
  evalArguments: "return eval('arguments')",
  importNode: "await import('node:fs'); return 'imported'",
  importFile: "await import('file:///etc/passwd'); return 'imported'",
  importMeta: "return Object.keys(import.meta).join() + typeof import.meta.resolve",
  kvConstructor: "return ccf.kv.t.constructor === Object",
  kvPrototype: "Object.getPrototypeOf(ccf.kv.t).get = () => 1; return 'changed'",
  kvIterator: "Object.getPrototypeOf(ccf.kv.t.range()).next = () => 1; return 'changed'",
  kvMethodChain: "return ccf.kv.t.get.constructor('return process')()",
  ccfChange: "ccf.strToBuf = 1; return 'changed'",
  ccfCryptoChange: "ccf.crypto.extra = 1; return 'changed'",
  ccfChain: "return ccf.strToBuf.constructor('return process')()",
  consoleChain: "return console.log.constructor('return process')()",
  consoleChange: "console.log = 1; return 'changed'",
  mathChange: "Math.max = 1; return 'changed'",
  mathReplace: "globalThis.Math = {}; return 'changed'",
  dateChange: "Date.now = () => 0; return 'changed'",
  promiseChange: "Promise.prototype.then = 1; return 'changed'",
  objectPrototype: "Object.prototype.polluted = 1; return 'changed'",
  arrayPrototype: "Array.prototype.push = 1; return 'changed'",
  protoSetter: "({}).__proto__.polluted = 1; return 'changed'",
  definePollution: "Object.defineProperty(Object.prototype, 'x', { value: 1 }); return 'changed'",
  errorPrototype: "Error.prototype.polluted = 1; return 'changed'",
  prepareStackTrace: [
    "Error.prepareStackTrace = (e, s) => s;",
    "return Array.isArray(new Error().stack) ? 'frames' : undefined",
  ].join("\n"),
  stackFrames:
    "const e = new Error(); return typeof e.stack === 'string' ? 'text' : typeof e.stack",
  captureStackTrace: "const o = {}; Error.captureStackTrace?.(o); return typeof (o.stack ?? '')",
  callerFunction: "return (function f() { return f.caller })()",
  calleeArguments: "return (function () { return arguments.callee })()",
  sloppyThis: "return typeof (function () { return this })()",
  reflectConstruct: "return Reflect.construct((() => {}).constructor, ['return process'])()",
  hostErrorClass: [
    "try { ccf.kv['public:ccf.gov.x'].set(ccf.strToBuf('a'),",
    "ccf.strToBuf('b')) } catch (e) {",
    "return e.constructor.constructor('return process')() }",
  ].join("\n"),
  hostErrorProperties:
    "try { ccf.kv['ccf.x'].get(ccf.strToBuf('a')) } catch (e) { return Object.keys(e).join() }",
  cryptoErrorProperties: [
    "try { ccf.pemToId('x') } catch (e) {",
    "return Object.keys(e).join() + (e.constructor === Error) }",
  ].join("\n"),
  importErrorProperties: [
    "try { await import('/none.js') } catch (e) {",
    "return Object.keys(e).join() + (e.constructor === Error) }",
  ].join("\n"),
  requestPrototype: "return Object.getPrototypeOf(request) === Object.prototype",
  requestBodyChange: "request.body.json = 1; return 'changed'",
  headersChain: "return Object.getPrototypeOf(request.headers) === Object.prototype",
  stackOverflowHost: [
    "const deep = () => { try { return deep() } catch (e) {",
    "return e.constructor.constructor('return process')() } }; return deep()",
  ].join("\n"),
  regExpStatics: "/secret/.test('secret'); return String(RegExp.$1) + String(RegExp.input)",
  symbolRegistry: "return typeof globalThis[Symbol.for('coco.guard')]",
  proxyReceiver: "return Reflect.get(globalThis, 'process', { process: 1 }) === undefined",
  getterReceiver:
    "return Object.getOwnPropertyNames(Object.getPrototypeOf(globalThis)).includes('process')",
  thenableHost: "return await { then(resolve) { resolve.constructor('return process')() } }",
  toJsonHost: "return { toJSON() { return (() => {}).constructor('return process')() } }",
  hiddenNames: "return typeof coco$w + typeof coco$g + typeof coco0$w",
  newTarget: "return typeof new.target",
  templateObject: "const t = (s) => s; t`a`.raw.x = 1; return 'changed'",
  intl: "return typeof Intl",
};

/** Results that give the program nothing. */
const harmless: Readonly<Record<string, unknown>> = {
  globalGlobal: "undefinedundefinedundefined",
  moduleGlobal: "undefinedundefined",
  bufferGlobal: "undefinedundefined",
  timers: "undefinedundefinedundefined",
  network: "undefinedundefinedundefined",
  sharedMemory: "undefinedundefined",
  weakRefs: "undefinedundefined",
  compartment: "undefinedundefinedundefined",
  importMeta: "urlundefined",
  stackFrames: "text",
  captureStackTrace: "string",
  hostErrorProperties: "",
  cryptoErrorProperties: "true",
  importErrorProperties: "true",
  kvConstructor: true,
  requestPrototype: true,
  headersChain: true,
  proxyReceiver: true,
  getterReceiver: false,
  regExpStatics: "undefinedundefined",
  hiddenNames: "undefinedundefinedundefined",
};

const source = Object.entries(attempts)
  .map(
    ([name, body]) => `export async function ${name}(request) { const f = async () => { ${body} };
    return { body: { got: await f() } } }`,
  )
  .join("\n")
  .replace("typeof new.target", "typeof (function () { return new.target })()");

const host = createTestHost();
host.install(
  Object.fromEntries(
    Object.keys(attempts).map((name) => [`/${name}`, { get: endpointOf("a.js", name) }]),
  ),
  { "a.js": source },
);

test.each(Object.keys(attempts))("%s gives nothing", (name) => {
  const { status, json } = host.send("GET", `/${name}`);
  if (status === 500) return;
  const { got } = json as { got?: unknown };
  expect(got ?? "undefined").toEqual(harmless[name] ?? "undefined");
});

test("nothing was changed for the host or for other programs", () => {
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect(Object.isFrozen(Object.prototype)).toBe(true);
  expect([1].map((item) => item + 1)).toEqual([2]);
  expect(Math.max(1, 2)).toBe(2);
});

test("a program cannot leave state for another one in anything that it shares", () => {
  const marks = `
    const marks = [ccf, ccf.kv, ccf.kv.t, ccf.crypto, ccf.rpc, console, Math, Date, Promise, JSON,
      ccf.strToBuf, ccf.kv.t.get, console.log, Object.prototype, Function.prototype,
      Promise.prototype,
      Object.getPrototypeOf(ccf.kv.t), Object.getPrototypeOf(ccf.kv.t.range()), snp_attestation,
      Object.getPrototypeOf(function* () {}), ccf.kv.t.range, request.body, request.body.json,
      Object.getPrototypeOf(globalThis), Symbol, RegExp, Error, Map.prototype.get];`;
  const other = createTestHost();
  other.install(
    {
      "/leave": { get: endpointOf("a.js", "leave") },
      "/find": { get: endpointOf("a.js", "find") },
    },
    {
      "a.js": `
        export function leave(request) { ${marks}
          let count = 0;
          for (const object of marks) { try { object.mark = 1; count++ } catch {} }
          globalThis.mark = 1;
          return { body: { count, checked: marks.length } };
        }
        export function find(request) { ${marks}
          const found = marks.filter((object) => object.mark !== undefined && object !== ccf.kv);
          return { body: [found.length, typeof globalThis.mark] };
        }`,
    },
  );
  const left = other.send("GET", "/leave").json;
  expect(left).toEqual({ count: 0, checked: 28 });
  expect(other.send("GET", "/find").json).toEqual([0, "undefined"]);
});
