export {
  type Authenticate,
  cookieOf,
  type Credentials,
  type PathRule,
  type Principal,
  type RateLimits,
  type Scope,
  scopes,
  type StoreAccess,
  type TokenRequest,
} from './access/index.ts';
export { type Config, defineConfig, type S3Config } from './config/config.ts';
export type { Clock } from './host/clock.ts';
export type { LogRetention } from './host/compactor.ts';
export { jsonLog, type LogLevel } from './json-log.ts';
export { createServer } from './server.ts';
export type {
  Server,
  ServerAddress,
  ServerDescription,
  ServerLog,
  ServerOptions,
} from './server-options.ts';
export type { WebhookOptions } from './webhooks/index.ts';
export { StorageError } from './storage/port.ts';
