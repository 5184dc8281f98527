import type { Hono } from 'hono';

import { scopes } from '../../access/index.ts';

/** Who gives out the tokens that agents come with (RFC 9728). */
export type OAuthOptions = {
  /** The address of the tools as agents know it, such as `https://sync.example.org/mcp`; a token is asked for by it. */
  readonly resource: string;
  /** The issuers whose tokens `authenticate` takes. They do OAuth 2.1: PKCE with S256, and metadata of their own (RFC 8414). */
  readonly authorizationServers: readonly string[];
};

const wellKnown = '/.well-known/oauth-protected-resource';

/** Throws `TypeError` for what an agent could not use. */
export function checkOAuth(options: OAuthOptions): void {
  const { resource, authorizationServers } = options;
  if (!isAddress(resource) || !new URL(resource).pathname.endsWith('/mcp')) {
    throw new TypeError(
      'oauth.resource is the https URL of /mcp, such as https://example.org/mcp.',
    );
  }
  const isList = Array.isArray(authorizationServers) && authorizationServers.length > 0;
  if (!isList || !authorizationServers.every(isAddress)) {
    throw new TypeError('oauth.authorizationServers is a list of one or more https URLs.');
  }
}

/** Tells agents that come without a token where to get one: what the MCP authorization flow begins with. */
export function routeOAuth(app: Hono, options: OAuthOptions): void {
  const { resource, authorizationServers } = options;
  const metadata = {
    resource,
    authorization_servers: authorizationServers,
    bearer_methods_supported: ['header'],
    scopes_supported: scopes,
    resource_name: 'Holdfast',
  };
  for (const path of [wellKnown, `${wellKnown}/mcp`]) {
    app.get(path, (c) => {
      // Public, and read by agents in pages of any origin.
      c.header('Access-Control-Allow-Origin', '*');
      return c.json(metadata);
    });
  }
  const { origin, pathname } = new URL(resource);
  const challenge = `Bearer resource_metadata="${origin}${wellKnown}${pathname}"`;
  app.use('/mcp', async (c, next) => {
    await next();
    if (c.res.status === 401) c.res.headers.set('WWW-Authenticate', challenge);
  });
}

/** `http` is for trying it on one's own machine. */
function isAddress(text: unknown): text is string {
  if (typeof text !== 'string' || !URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
  return protocol === 'https:' || (protocol === 'http:' && isLocal);
}
