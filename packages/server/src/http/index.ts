export type { HttpDeps, Readiness, ServerFigures, StoreFigures } from './deps.ts';
export { createHttp } from './http.ts';
export type { Site, SiteOptions } from './site-options.ts';
export { INSTANT_MS_MAX } from './time.ts';
export { checkOAuth, type OAuthOptions } from './mcp/oauth.ts';
