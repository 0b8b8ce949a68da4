/** Errors of the base room: 1000 to 1099. */
import { defineErrors } from "./errors.ts";

export const baseErrors = defineErrors("base", {
  NotUtf8: {
    number: 1001,
    title: "The bytes are not UTF-8 text",
    next: "Send the text in UTF-8",
  },
  NotHex: {
    number: 1002,
    title: "The text is not hexadecimal",
    next: "Give an even number of the digits 0-9 and a-f",
  },
  NotBase64: {
    number: 1003,
    title: "The text is not base64",
    next: "Give standard or URL-safe base64 without white space",
  },
  NotPem: {
    number: 1004,
    title: "The text is not PEM",
    next: "Give a file that begins with -----BEGIN and holds the expected label",
  },
  BadCbor: {
    number: 1005,
    title: "The bytes are not the expected CBOR",
    next: "Encode the message as RFC 8949 CBOR without duplicate keys or trailing bytes",
  },
  BadCose: {
    number: 1006,
    title: "The bytes are not a COSE_Sign1 message",
    next: "Send a tagged COSE_Sign1 (tag 18) whose protected header names alg and kid",
  },
  BadDer: {
    number: 1007,
    title: "The bytes are not the expected DER",
    next: "Give a DER-encoded X.509 structure",
  },
  BadCertificate: {
    number: 1008,
    title: "The certificate cannot be used",
    next: "Give an X.509 certificate with an EC or RSA key in PEM form",
  },
  BadKey: {
    number: 1009,
    title: "The key cannot be used",
    next: "Give an EC P-256, P-384 or RSA key in PEM, PKCS#8 or SPKI form",
  },
  DecryptionFailed: {
    number: 1010,
    title: "Decryption failed",
    next: "Check that the key belongs to these bytes and that they were not changed",
  },
  QueueFull: {
    number: 1011,
    title: "The queue is full",
    next: "Wait until some of the waiting work is done",
  },
});
