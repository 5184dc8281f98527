import { roomOf } from '../doors.ts';
import { checkOptions } from '../mistakes.ts';
import type { ViewCacheOptions } from './cache-options.ts';
import { treeKeeper } from './cache-loader.ts';
import { House } from './house.ts';
import type { ViewsPlug } from './plug.ts';
import type { Uploader } from './upload.ts';

export { memoryPersister, type WebStorage, webStoragePersister } from './persisters.ts';
export type { CachedView, CacheUse, Persister, ViewCacheOptions } from './cache-options.ts';
export { child, type ChildDraft, type ChildMark, type Draft, type DraftOf } from './draft.ts';
export type { InitialView } from './initial.ts';
export { presigned } from './presigned.ts';
export type {
  AnyNode,
  DispatchOptions,
  Modules,
  ParamsBy,
  PayloadOf,
  ProxyMembers,
  ProxyOf,
  ReplyOf,
  RootBy,
  TypesOfProxy,
  ViewArgs,
  ViewHandle,
  ViewHealth,
  ViewOptions,
  ViewProxy,
} from './types.ts';
export type {
  SelectedFile,
  SelectOptions,
  StartOptions,
  Uploader,
  UploadFile,
  UploadHandle,
  UploadJob,
  UploadOutcome,
} from './upload.ts';
export type {
  AsyncReason,
  AsyncState,
  NodeCommands,
  NodeEvents,
  NodeSnapshot,
  NodeUploads,
  SnapshotOf,
  UploadConfig,
  UploadEntry,
  UploadProblem,
  UploadState,
} from '@holdfast/protocol';
export { keyOf, nextSnapshot, waitFor, type WaitOptions } from './waiting.ts';
export type { ViewsPlug } from './plug.ts';

/** How a client has views (views.md §12.1). */
export type ViewsOptions = {
  /** What brings files elsewhere, by the name that the server uses. */
  readonly uploaders?: { readonly [name: string]: Uploader };
  /** Whether a lost connection is resumed; default true. */
  readonly resume?: boolean;
  /** How long commands are waited for; default 35 s, with a Musubi server 10 s. */
  readonly timeoutMs?: number;
  /** Shows what was there last time until the server answers, for views that ask for it. */
  readonly viewCache?: ViewCacheOptions;
};

const kinds = {
  uploaders: 'object',
  resume: 'boolean',
  timeoutMs: 'number',
  viewCache: 'object',
};

/** Checks the options of a cache. */
function checkCache({ persister, scope }: ViewCacheOptions): void {
  if (persister.durable === true && (scope === undefined || scope === '')) {
    throw new TypeError(
      'views: a "viewCache" that outlives the page needs a "scope", such as the id of the user.',
    );
  }
}

/** Gives a client views: pass what it gives as `views` to `createClient`. */
export function views(options: ViewsOptions = {}): ViewsPlug {
  checkOptions('views', options, kinds);
  const { uploaders = {}, resume = true, timeoutMs, viewCache } = options;
  if (viewCache !== undefined) checkCache(viewCache);
  const named = new Map(Object.entries(uploaders));
  const cache = viewCache === undefined ? null : treeKeeper(viewCache);
  const house = { resume, timeoutMs, cache, uploaders: named };
  return { open: (client) => new House(roomOf(client), house) };
}
