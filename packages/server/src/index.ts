export {
  type Authenticate,
  type Credentials,
  type PathRule,
  type Principal,
  type Scope,
  scopes,
  type StoreAccess,
  type TokenRequest,
} from './access/index.ts';
export type { Clock } from './host/clock.ts';
export {
  createServer,
  type Server,
  type ServerAddress,
  type ServerDescription,
  type ServerLog,
  type ServerOptions,
} from './server.ts';
export { StorageError } from './storage/port.ts';
