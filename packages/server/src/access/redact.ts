const HIDDEN = '[redacted]';

const secretNames =
  'access_token|api_key|apikey|authorization|cookie|id_token|password|raw_token|refresh_token|secret|sec-websocket-protocol|set-cookie|token';

// Every pattern is linear in the text, for strangers write parts of it.
const bearer = /\b((?:Bearer|Basic)(?:\s|%20|\+)+)[^\s"'\\,;&#]+/gi;
/** `"token":"…"`, and `"token","…"` as lists of pairs have it. */
const quotedField = new RegExp(`("(?:${secretNames})"\\s*[:,]\\s*")(?:[^"\\\\]|\\\\[^])*`, 'gi');
/** The same where JSON sits inside a string, its quotes escaped; it ends before the backslashes of the next quote. */
const escapedField = new RegExp(
  `((\\\\{1,8})"(?:${secretNames})\\2"\\s*[:,]\\s*\\2")(?:[^"\\\\]|\\\\+(?!["\\\\]))*`,
  'gi',
);
const queryField = /([?&])([^?=&#\s"'\\]+)=[^&#\s"'\\]*/g;
/** `token: …` and `authorization=…` in free text. */
const bareField = new RegExp(
  `\\b((?:${secretNames})\\s*[:=]\\s*)(?![\\s"'\\\\[])[^\\s"'\\\\,;&#]+`,
  'gi',
);
const prefixed = /(?:(?:hf|dust)_tok_|whsec_)[\w.~%+/=-]+/gi;
const dotted = /[\w.-]+/g;
const secretName = new RegExp(`^(?:${secretNames})$`, 'i');

/**
 * The text without its secrets: issued and imported tokens and JWTs wherever they stand, and whatever a `token`
 * query parameter, an `Authorization` header or a field of such a name holds (stores.md S10). JSON stays JSON.
 */
export function redact(text: string): string {
  return text
    .replace(bearer, `$1${HIDDEN}`)
    .replace(quotedField, `$1${HIDDEN}`)
    .replace(escapedField, `$1${HIDDEN}`)
    .replace(queryField, redactParameter)
    .replace(bareField, `$1${HIDDEN}`)
    .replace(prefixed, HIDDEN)
    .replace(dotted, redactJwt);
}

function redactParameter(whole: string, mark: string, name: string): string {
  return secretName.test(unescapeName(name)) ? `${mark}${name}=${HIDDEN}` : whole;
}

/** `%74oken` is `token` too. */
function unescapeName(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** A JWT is at least three pieces with dots between, the first of them the base64url of `{"…`. */
function redactJwt(word: string): string {
  const start = word.indexOf('eyJ');
  const dot = start < 0 ? -1 : word.indexOf('.', start);
  return dot < 0 || !word.includes('.', dot + 1) ? word : word.slice(0, start) + HIDDEN;
}

/** Options for pino: every line passes {@link redact} as the last thing before it is written. */
export const redactedLog: { readonly hooks: { readonly streamWrite: (line: string) => string } } = {
  hooks: { streamWrite: redact },
};
