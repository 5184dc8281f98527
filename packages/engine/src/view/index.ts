export {
  type ActionDefinition,
  type AsyncHandles,
  type AsyncOptions,
  type AuthorizeContext,
  type ChildOptions,
  type Halt,
  KEEP,
  type LoaderDefinition,
  type Recipients,
  type RenderSlots,
  type StoreOptions,
  type StreamDefinition,
  type StreamHandle,
  type StreamPlace,
  type TimerCallback,
  type UploadDefinition,
  type UploadHandles,
  type UploadItem,
  type ViewCall,
  type ViewContext,
  type ViewDefinition,
  type ViewHooks,
  type ViewScope,
  type WatchCallback,
} from './definition.ts';
export { isAlike } from './instance/equal.ts';
export { type Claim, type CommandAnswer, CommandLedger } from './instance/ledger.ts';
export { Tail, type TailFormat } from './instance/tail.ts';
export type {
  InstanceConfig,
  InstanceDescription,
  InstanceEffect,
  InstanceInput,
  InstancePorts,
  StoreAccess,
  Tracker,
  UploadInput,
  UploadPorts,
  UploadTarget,
} from './instance/types.ts';
export { Instance } from './instance/instance.ts';
