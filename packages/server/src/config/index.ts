export { type Config, defineConfig, type S3Config } from './config.ts';
export type { Kind, Value } from './kinds.ts';
export { levelOf, type ListenAt, listenAt, optionsOf } from './options.ts';
export {
  ConfigError,
  Effective,
  type Origin,
  type Resolved,
  resolveConfig,
  type Sources,
} from './resolve.ts';
export { type Setting, settings, variableOf } from './settings.ts';
