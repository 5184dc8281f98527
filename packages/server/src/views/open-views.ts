import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { conduct } from '@holdfast/engine/registry';
import type { ViewDefinition } from '@holdfast/engine/view';
import type { Json, Limits } from '@holdfast/protocol';
import { type StreamOp, type ViewLimits, viewLimits } from '@holdfast/protocol/views';
import { type AddedPrincipal, type Principal, principalOf } from '../access/index.ts';
import type { Files } from '../files/index.ts';
import type { Clock } from '../host/clock.ts';
import { Crowd } from '../host/crowd.ts';
import type { StoreDoor } from '../host/door.ts';
import type { Storage } from '../storage/port.ts';
import type { AppDefinition } from './app.ts';
import type { ViewsRoom } from './room.ts';
import { Roots } from './roots.ts';
import { StoreDesk, type StoreDeskRoom } from './store-desk.ts';
import type { ViewTelemetry } from './telemetry.ts';
import { TempFiles } from './uploads/temp-files.ts';
import { UploadTokens } from './uploads/tokens.ts';
import { Transfers } from './uploads/transfers.ts';
import type { View } from './view.ts';

/** What a server says of its views. */
export type ViewOptions = {
  readonly app?: AppDefinition;
  readonly data?: string;
  readonly onJoin?: (principal: Principal, payload: unknown) => unknown;
  readonly secret?: string | readonly string[];
  readonly viewLimits?: Partial<ViewLimits>;
  readonly telemetry?: (event: ViewTelemetry) => void;
};

/** What the views of a server are put together from. */
export type ViewParts = {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly storage: Storage;
  readonly files: Files;
  readonly openStore: StoreDoor['openStore'];
  readonly lookFor: StoreDoor['lookFor'];
  readonly veilOf?: StoreDeskRoom['veilOf'];
  readonly report: (what: string, error: unknown) => void;
  readonly warn: (what: string) => void;
};

/** What a server can be asked about its views. */
export type ViewsApi = {
  /** Asks `authorize` of a view again for all who are there, and ends those whom it refuses (views.md §11.7). */
  readonly recheck: (view: View, id?: string) => Promise<void>;
  /** Runs a message at a root; false where none of this id runs here (views.md §11.2). */
  readonly tell: (
    view: View,
    id: string,
    ...told: readonly [message: string, payload?: object]
  ) => boolean;
  /** Mounts a view, renders it, ends it: what a page that is rendered on a server gives as `initialData` (views.md §13). */
  readonly renderOnce: (
    view: View,
    of: { readonly id?: string; readonly params?: unknown; readonly principal: AddedPrincipal },
  ) => Promise<{ readonly tree: Json; readonly stream_ops: readonly StreamOp[] }>;
};

/** The views of one server. */
export type Views = {
  readonly roots: Roots;
  readonly transfers: Transfers;
  readonly desk: StoreDesk;
  readonly api: ViewsApi;
  close(): void;
};

/** Puts the views of a server together. Throws a `TypeError` or `RangeError` for limits that cannot be. */
export function openViews(options: ViewOptions, parts: ViewParts): Views {
  const { clock, limits, storage, report } = parts;
  const views = viewLimitsOf(options.viewLimits);
  const files = new TempFiles(options.data ?? tmpdir(), randomUUID());
  const tokens = new UploadTokens(options.secret);
  const transfers = new Transfers({ clock, files, report, tokens, views, stored: parts.files });
  const desk = new StoreDesk({
    openStore: parts.openStore,
    lookFor: parts.lookFor,
    findStore: (name) => storage.stores.find(name),
    newId: randomUUID,
    clock,
    report,
    files: parts.files,
    ...(parts.veilOf && { veilOf: parts.veilOf }),
  });
  const roots = new Roots(
    {
      clock,
      crowd: new Crowd(clock),
      limits,
      viewLimits: views,
      desk,
      newId: randomUUID,
      dev: process.env['NODE_ENV'] !== 'production',
      onJoin: options.onJoin ?? null,
      telemetry: guarded(options.telemetry, report),
      report,
      warn: parts.warn,
    },
    (options.app?.views ?? []).map(definitionOf),
    transfers,
  );
  return {
    roots,
    transfers,
    desk,
    api: {
      recheck: (view, id) => roots.recheck(view.name, id ?? null),
      tell: (view, id, ...[message, payload = {}]) =>
        roots.tell(view.name, id, { message, payload }) > 0,
      renderOnce: async (view, { id = 'default', params = {}, principal: given }) => {
        const principal = principalOf(given, 'renderOnce: this is no principal:');
        return roots.renderOnce(definitionOf(view), { id, params, principal });
      },
    },
    close: () => {
      roots.close();
      files.close();
    },
  };
}

/** What hears of the views: that it throws, or rejects, is no view's trouble. */
function guarded(
  telemetry: ViewOptions['telemetry'],
  report: ViewParts['report'],
): ViewsRoom['telemetry'] {
  if (telemetry === undefined) return null;
  const failed = (error: unknown): void => report('telemetry failed', error);
  return (event) =>
    conduct(
      () => telemetry(event),
      () => undefined,
      failed,
    );
}

/** What a declared view is at run time. */
export function definitionOf(view: View): ViewDefinition {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `view` returns the declaration it was given
  return view as View & ViewDefinition;
}

function viewLimitsOf(overrides: Partial<ViewLimits> = {}): ViewLimits {
  for (const [name, limit] of Object.entries(overrides)) {
    if (!Object.hasOwn(viewLimits, name)) {
      throw new TypeError(`There is no limit "${name}" of views.`);
    }
    if (Number.isSafeInteger(limit) && limit > 0) continue;
    throw new RangeError(`The limit "${name}" is ${limit}; it must be a positive integer.`);
  }
  return { ...viewLimits, ...overrides };
}
