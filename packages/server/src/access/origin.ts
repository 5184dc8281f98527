/** Where a request says it comes from: its `Origin` and `Host` headers. */
export type OriginHeaders = {
  readonly origin: string | undefined;
  readonly host: string | undefined;
};

/**
 * Whether a page of this origin may connect (stores.md §7.1.4): requests without an `Origin`, pages of the same
 * host, and the origins of the list. `*` in the list admits all.
 */
export function allowsOrigin(listed: readonly string[], { origin, host }: OriginHeaders): boolean {
  return origin === undefined || isListed(listed, origin) || isSameHost(origin, host);
}

/** Whether the list names this origin, as browsers write it; only then its pages may read answers (CORS). */
export function isListed(listed: readonly string[], origin: string): boolean {
  return listed.includes('*') || listed.includes(origin);
}

/**
 * The origin as browsers write it, where that is not what is given: without a path, in lower case, without the usual port.
 * Null: there is none by that text.
 */
export function browserOrigin(text: string): string | null {
  if (text === '*' || text === 'null') return text;
  if (text.includes('*') || !URL.canParse(text)) return null;
  const { protocol, host, origin } = new URL(text);
  if (origin !== 'null') return protocol === 'http:' || protocol === 'https:' ? origin : null;
  // Those of applications, such as `capacitor://localhost`.
  return host === '' ? null : `${protocol}//${host}`;
}

/** The scheme is not compared: behind a proxy that ends TLS the server does not know its own. */
function isSameHost(origin: string, host: string | undefined): boolean {
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}
