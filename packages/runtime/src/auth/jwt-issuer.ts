/** Which issuers a signing key may speak for. */

export interface UrlParts {
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
}

const urlLengthMax = 2048;

/** Splits a URL without judging it; missing parts are empty. @source RFC 3986 appendix B */
export function urlToParts(url: string): UrlParts {
  const text = url.slice(0, urlLengthMax);
  const [, scheme = "", authority = "", path = ""] =
    /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?([^?#]*)/.exec(text) ?? [];
  const port = authority.indexOf(":", Math.max(0, authority.lastIndexOf("]")));
  return { scheme, host: port < 0 ? authority : authority.slice(0, port), path };
}

const tenantPlaceholder = "{tenantid}";
const entraHost = "login.microsoftonline.com";

/**
 * Whether a token by `iss` (and tenant `tid`) fits the constraint of the key that signed it. A
 * tenant is a matter of Microsoft Entra only: there it has to be the first part of the issuer's
 * path, elsewhere it must not be given.
 */
export function isIssuerAllowed(iss: string, tid: string | undefined, constraint: string): boolean {
  if (urlToParts(constraint).host !== entraHost) return iss === constraint && tid === undefined;
  // A function as replacement, so that $ in a tenant has no meaning.
  const wanted = tid === undefined ? constraint : constraint.replace(tenantPlaceholder, () => tid);
  if (iss !== wanted || tid === undefined) return false;
  const tenant = urlToParts(iss)
    .path.split("/")
    .find((part) => part !== "");
  return tenant === tid;
}

/** A key may be limited to its issuer's own host, or to a domain above it. */
export function isConstraintOfIssuer(issuer: string, constraint: string): boolean {
  const issuerHost = urlToParts(issuer).host;
  const constraintHost = urlToParts(constraint).host;
  if (constraintHost === "") return false;
  return issuerHost === constraintHost || issuerHost.endsWith(`.${constraintHost}`);
}
