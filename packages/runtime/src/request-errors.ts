/** Errors about requests, app bundles and signing keys: 6200 to 6299. */
import { defineErrors } from "@coco/base";

export const requestErrors = defineErrors("runtime", {
  BadPathTemplate: {
    number: 6201,
    title: "The path template of an endpoint cannot be used",
    next: "Write it as /literal/{parameter} with distinct names and text between two parameters",
  },
  AmbiguousPath: {
    number: 6202,
    title: "Several endpoint templates match the path",
    next: "Change the templates of the app so that at most one matches each path",
  },
  BadBundle: {
    number: 6203,
    title: "The app bundle cannot be used",
    next: "Correct the field that is named; the bundle format is {metadata: {endpoints}, modules}",
  },
  BadJwks: {
    number: 6204,
    title: "The JSON Web Key Set cannot be used",
    next: "Give keys with kid and either n and e, or crv, x and y, or x5c",
  },
  BadTableValue: {
    number: 6205,
    title: "A built-in table holds a value of another shape",
    next: "Write the table by a governance action of the default constitution",
  },
  UnknownAuthPolicy: {
    number: 6206,
    title: "An endpoint names an unknown authentication policy",
    next: "Use no_auth, user_cert, member_cert, any_cert, jwt or one of the cose_sign1 policies",
  },
  IssuerNotRefreshed: {
    number: 6208,
    title: "The keys of this JWT issuer are not refreshed automatically",
    next: "Propose set_jwt_issuer with auto_refresh and a CA certificate bundle",
  },
  MalformedCose: {
    number: 6207,
    title: "The signed request cannot be read",
    next: "Send a tagged COSE_Sign1 whose protected header has alg, kid and the governance fields",
  },
});
