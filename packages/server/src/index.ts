export {
  type Authenticate,
  cookieOf,
  type Credentials,
  type AddedPrincipal,
  type GivenPrincipal,
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
export type { LogRetention, Retention } from './host/compactor.ts';
export type { OAuthOptions, Site, SiteOptions } from './http/index.ts';
export { jsonLog, type LogLevel } from './json-log.ts';
export type { ServerQuotas } from './limits.ts';
export type {
  RecordFault,
  RecordOp,
  RecordOptions,
  ServerRecord,
  ServerTransact,
  ServerTx,
  ServerTxRecord,
  SourceOptions,
  SourcePolicy,
  SseOptions,
  SyncOptions,
  SyncHandler,
} from './records/index.ts';
export { createServer } from './server.ts';
export type {
  Server,
  ServerAddress,
  ServerDescription,
  ServerLog,
  ServerOptions,
} from './server-options.ts';
export type { InProcess, InProcessLink } from './socket/in-process.ts';
export { app, type AppDefinition } from './views/app.ts';
export type {
  Audience,
  AuthorizeContext,
  CommandContext,
  RenderContext,
  TaskContext,
  ViewScope,
} from './views/context.ts';
export type { Cancel, Draft, Env, Soon } from './views/env.ts';
export { type Holdfast, holdfast } from './views/holdfast.ts';
export {
  type AsyncHandle,
  loader,
  type LoaderContext,
  type LoaderDeclaration,
  type Loaders,
  type StartOptions,
} from './views/loader.ts';
export type {
  Committed,
  FenceGuard,
  OpenViewStore,
  PathInput,
  StoreLeaf,
  StoreTransaction,
  StoreWrites,
  ValueAt,
  ViewStore,
  WriteGuard,
} from './views/store-handle.ts';
export {
  type Placement,
  stream,
  type StreamDeclaration,
  type StreamHandle,
  type StreamOptions,
} from './views/stream.ts';
export type { ViewTelemetry } from './views/telemetry.ts';
export type { AnyContext } from './views/task-context.ts';
export {
  upload,
  type UploadContext,
  type UploadDeclaration,
  type UploadOptions,
  type UploadTaskContext,
} from './views/upload.ts';
export {
  KEEP,
  type UploadedEntry,
  type UploadedFile,
  type UploadsHandle,
} from './views/uploads-handle.ts';
export { type Call, type Halt, halt, type Use, type UseContext } from './views/use.ts';
export {
  type DeclaredTypes,
  type DeclareView,
  type RenderHelpers,
  type View,
  view,
  type ViewTypes,
} from './views/view.ts';
export { ConflictError, type Fencing, HoldfastError, RejectedError } from '@holdfast/protocol';
export type { WebhookOptions } from './webhooks/index.ts';
export { StorageError } from './storage/port.ts';
