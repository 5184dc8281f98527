import { HoldfastError, isObject, type JsonObject, setOwn } from '@holdfast/protocol';
import type {
  UploadConfig,
  UploadFault,
  UploadGrant,
  UploadOp,
  ViewFault,
} from '@holdfast/protocol/views';
import { toWire } from '../../data/index.ts';
import { KEEP, type UploadDefinition, type UploadHandles } from '../definition.ts';
import { Context } from './context.ts';
import { Layer } from './layer.ts';
import { keyOf, type ViewNode } from './node.ts';
import { type Act, type Caller, Scope } from './scope.ts';
import type { UploadInput } from './types.ts';
import { giveBack, type Place, UploadBook, type UploadHost } from './upload-book.ts';
import {
  addOp,
  addressOf,
  checkWish,
  configOf,
  type Entry,
  faultOf,
  itemOf,
} from './upload-entry.ts';

type Input<T extends UploadInput['type']> = Extract<UploadInput, { readonly type: T }>;

type Hook = NonNullable<UploadDefinition['external' | 'verify']>;

/** What came of the wishes of one request. */
type Preflight = {
  readonly accepted: Entry[];
  readonly errors: { readonly client_ref: string; readonly error: UploadFault }[];
};

/** What clients and the host ask of uploads, and what application code sees of them. */
export class Uploads {
  readonly #host: UploadHost;
  readonly #book: UploadBook;

  constructor(host: UploadHost) {
    this.#host = host;
    this.#book = new UploadBook(host);
  }

  hear(input: UploadInput): void {
    switch (input.type) {
      case 'allow_upload':
        return this.#allow(input);
      case 'cancel_upload':
        return this.#answer(input, (entry) => this.#book.cancel(entry));
      case 'refresh_upload':
        return this.#refresh(input);
      case 'upload_progress':
        return this.#hearProgress(input);
      case 'upload_error':
        return this.#answer(input, (entry) => {
          this.#book.fail(entry, { ...faultOf('external_failed'), message: input.message });
        });
      case 'received':
        return this.#book.received(this.#book.get(input.ref), input.progress);
      case 'broken':
        return this.#broken(input);
    }
  }

  /** What a node declares, for the first envelope in which it exists (views.md §10.2). */
  configs(node: ViewNode): readonly UploadOp[] {
    const ops: UploadOp[] = [];
    for (const [upload, definition] of Object.entries(node.view.uploads ?? {})) {
      ops.push({ op: 'config', ...addressOf({ node, upload }), config: configOf(definition) });
    }
    return ops;
  }

  /** The entries of one subscriber, and what it has missed of those that are gone. */
  opsOf(subscriber: number): readonly UploadOp[] {
    return this.#book.opsOf(subscriber);
  }

  nodeEnded(node: ViewNode): void {
    this.#book.nodeEnded(node);
  }

  subscriberGone(subscriber: number): void {
    this.#book.subscriberGone(subscriber);
  }

  handlesFor(node: ViewNode, scope: Scope, act: Act): UploadHandles {
    const place = (name: string): Place => {
      if (scope.phase === 'closed') throw new HoldfastError('closed');
      const found = placeIn(node, name);
      if (found === null) throw new TypeError(`${node.view.name} declares no upload "${name}".`);
      return found;
    };
    return {
      entries: (name) => this.#book.visible(place(name), scope).map(itemOf),
      cancel: (name, ref) => {
        const entry = this.#book.visible(place(name), scope).find((known) => known.ref === ref);
        if (entry === undefined) return;
        act((layer) => this.#book.take(layer, [entry], () => this.#book.cancel(entry)));
      },
      consume: async (name, take) => this.#consume(place(name), { scope, act }, take),
    };
  }

  #find(input: { readonly store_id: readonly string[]; readonly name: string }): Place | ViewFault {
    const node = this.#host.world.find(keyOf(input.store_id));
    if (node === null) return { reason: 'unknown store' };
    return placeIn(node, input.name) ?? { reason: 'unknown upload' };
  }

  #reply(
    { ticket, isTold = false }: { readonly ticket: number; readonly isTold?: boolean },
    status: 'ok' | 'error',
    response: JsonObject | ViewFault,
  ): void {
    const { world, audience } = this.#host;
    // What all are told of it is in the next envelope (views.md §4.2).
    const version = audience.version + (isTold && !world.isShared ? 1 : 0);
    world.ports.perform({ type: 'reply', ticket, status, response, version });
  }

  #allow(input: Input<'allow_upload'>): void {
    const place = this.#find(input);
    if ('reason' in place) {
      this.#reply(input, 'error', place);
      return;
    }
    const config = configOf(place.definition);
    const owner = {
      subscriber: input.subscriber,
      principal: this.#host.audience.principalOf(input.subscriber),
    };
    const preflight = this.#check(place, { owner, config }, input.entries);
    const grants = preflight.accepted.map((entry) => this.#grant(entry));
    void Promise.all(grants).then((given) =>
      this.#host.enter(() => this.#granted(input, { config, preflight, given })),
    );
  }

  #check(
    place: Place,
    { owner, config }: { readonly owner: Caller; readonly config: UploadConfig },
    wishes: Input<'allow_upload'>['entries'],
  ): Preflight {
    const preflight: Preflight = { accepted: [], errors: [] };
    const { ports } = this.#host.world;
    const admits = (bytes: number): boolean =>
      ports.uploads.admits?.(owner.subscriber, bytes) ?? true;
    const named = new Set<string | null>();
    for (const said of wishes) {
      // One name for two files names neither.
      const wish = named.has(said.client_ref) ? { ...said, client_ref: null } : said;
      named.add(said.client_ref);
      const tracked = this.#book.tracked(place, owner.subscriber);
      const checked = checkWish(wish, config, { tracked, admits });
      if ('code' in checked) {
        preflight.errors.push({ client_ref: said.client_ref ?? '', error: checked });
        continue;
      }
      const ref = `u_${ports.id()}`;
      const since = ports.now();
      const state = { isOpen: false, status: 'pending', progress: 0 } as const;
      const quiet = { quietUntil: -Infinity, isQuiet: false };
      const asked = { isVerifying: false, isTaken: false };
      const of = { ...place, ref, owner, wish: checked, mode: 'channel', since } as const;
      const entry: Entry = { ...of, ...state, ...quiet, ...asked, errors: [] };
      this.#book.reserve(entry);
      preflight.accepted.push(entry);
    }
    return preflight;
  }

  /** Where the bytes go: to the host, or where application code says; null: nowhere, it has failed. */
  async #grant(entry: Entry): Promise<UploadGrant | null> {
    const { world } = this.#host;
    const { external } = entry.definition;
    try {
      const said = external && (await this.#inTime(entry, external));
      if (!isObject(said)) {
        return {
          type: 'channel',
          entry_ref: entry.ref,
          token: world.ports.uploads.token(entry.ref),
        };
      }
      entry.mode = 'external';
      const { uploader, meta = {} } = said;
      if (typeof uploader !== 'string') throw new TypeError('external must name an uploader.');
      const { value } = toWire(meta, undefined, { depthMax: world.config.limits.tree_depth });
      return { type: 'external', entry_ref: entry.ref, uploader, meta: value };
    } catch (error) {
      this.#hookFailed('external', entry, error);
      return null;
    }
  }

  /** That its client left while a hook still ran is nobody's fault. */
  #hookFailed(where: string, { node }: Entry, error: unknown): void {
    const isLate = node.isEnded && error instanceof HoldfastError && error.code === 'closed';
    if (!isLate) this.#host.world.fault(where, node, error);
  }

  /** What a hook outside of the queue comes to, which reads, and has as much time as a task: a client waits for it. */
  #inTime(entry: Entry, hook: Hook): Promise<unknown> {
    const { world } = this.#host;
    const { node, owner } = entry;
    const scope = new Scope(new Layer(null), owner);
    scope.finish();
    const ctx = new Context(world, { node, scope }, { isReadOnly: true, signal: scope.signal });
    const ms = node.view.timeout ?? world.config.limits.command_ms;
    const run = async (): Promise<unknown> => hook(ctx, itemOf(entry));
    return new Promise((resolve, reject) => {
      const end = (error: Error): void => {
        scope.close();
        reject(error);
        over();
      };
      const late = (): void => end(new Error('It took too long.'));
      const stop = world.alarms.set(world.ports.now() + ms, late);
      const forget = node.whenEnded(() => end(new HoldfastError('closed')));
      const over = (): void => {
        stop();
        forget();
      };
      void run().then(resolve, reject).finally(over);
    });
  }

  #granted(
    input: Input<'allow_upload'>,
    of: {
      readonly config: UploadConfig;
      readonly preflight: Preflight;
      readonly given: readonly (UploadGrant | null)[];
    },
  ): void {
    const { config, preflight, given } = of;
    const entries: { [clientRef: string]: JsonObject } = {};
    const errors = [...preflight.errors];
    const opened: Entry[] = [];
    for (const [index, entry] of preflight.accepted.entries()) {
      const grant = given[index] ?? null;
      // The node, or who asked, may have gone meanwhile.
      const isGone = this.#book.get(entry.ref) !== entry;
      if (grant === null || isGone) {
        this.#book.release(entry);
        errors.push({ client_ref: entry.wish.client_ref, error: faultOf('internal') });
        continue;
      }
      setOwn(entries, entry.wish.client_ref, { ...grant });
      opened.push(entry);
    }
    for (const entry of opened) this.#book.open(entry, config);
    const response = { ref: input.name, config, entries, errors };
    this.#reply({ ...input, isTold: opened.length > 0 }, 'ok', response);
    this.#book.tell(input.subscriber, opened.map(addOp));
  }

  /** The entry that a request is about, if it is the subscriber's own. */
  #entryOf(
    input: Input<'cancel_upload' | 'refresh_upload' | 'upload_progress' | 'upload_error'>,
  ): Entry | null {
    const entry = this.#book.get(input.ref);
    if (entry === undefined || !entry.isOpen || entry.upload !== input.name) return null;
    const isThere = entry.node.key === keyOf(input.store_id);
    return isThere && entry.owner.subscriber === input.subscriber ? entry : null;
  }

  /** Ok also for an entry that is not known, any more or at all. */
  #answer(input: Input<'cancel_upload' | 'upload_error'>, act: (entry: Entry) => void): void {
    const place = this.#find(input);
    if ('reason' in place) {
      this.#reply(input, 'error', place);
      return;
    }
    const entry = this.#entryOf(input);
    const isCancel = input.type === 'cancel_upload';
    const isTold = entry !== null && (isCancel || this.#book.isActive(entry));
    this.#reply({ ...input, isTold }, 'ok', {});
    if (entry !== null) act(entry);
  }

  #refresh(input: Input<'refresh_upload'>): void {
    const entry = this.#entryOf(input);
    if (entry !== null && entry.mode === 'channel') {
      const token = this.#host.world.ports.uploads.token(entry.ref);
      this.#reply(input, 'ok', { token });
      return;
    }
    const reason = this.#book.get(input.ref) !== undefined ? 'unauthorized' : 'unknown upload';
    this.#reply(input, 'error', { reason });
  }

  #hearProgress(input: Input<'upload_progress'>): void {
    const place = this.#find(input);
    const entry = this.#entryOf(input);
    if ('reason' in place) this.#reply(input, 'error', place);
    else if (entry === null || entry.mode === 'channel') {
      this.#reply(input, 'error', { reason: 'internal error' });
    } else {
      this.#reply(input, 'ok', {});
      if (!this.#book.isActive(entry)) return;
      if (input.progress === 100) void this.#verify(entry);
      else this.#book.received(entry, input.progress);
    }
  }

  /** That a client says it is done proves nothing (views.md §10.4). */
  async #verify(entry: Entry): Promise<void> {
    const { verify } = entry.definition;
    // However often a client says so, application code is asked once at a time.
    if (entry.isVerifying) return;
    entry.isVerifying = true;
    let isThere = true;
    try {
      if (verify !== undefined) isThere = Boolean(await this.#inTime(entry, verify));
    } catch (error) {
      this.#hookFailed('verify', entry, error);
      isThere = false;
    }
    this.#host.enter(() => {
      entry.isVerifying = false;
      if (isThere) this.#book.received(entry, 100);
      else this.#book.fail(entry, faultOf('external_failed'));
    });
  }

  #broken({ ref, fault }: Input<'broken'>): void {
    const entry = this.#book.get(ref);
    if (entry === undefined || !this.#book.isActive(entry)) return;
    if (fault === null) this.#book.cancel(entry);
    else this.#book.fail(entry, fault);
  }

  async #consume(
    place: Place,
    { scope, act }: { readonly scope: Scope; readonly act: Act },
    take: Parameters<UploadHandles['consume']>[1],
  ): Promise<readonly unknown[]> {
    const results: unknown[] = [];
    const consumed: Entry[] = [];
    try {
      for (const entry of this.#book.visible(place, scope)) {
        // While another was visited it may have been taken, or have gone with who brought it.
        const isThere = this.#book.get(entry.ref) === entry;
        if (!isThere || entry.status !== 'success' || entry.isTaken) continue;
        // oxlint-disable-next-line no-await-in-loop -- in their order, one at a time
        const result = await this.#hand(entry, scope, take);
        if (result === KEEP) continue;
        results.push(result);
        consumed.push(entry);
      }
    } finally {
      const gone = (): void => this.#book.consumed(place, consumed);
      if (scope.phase !== 'closed') act((layer) => this.#book.take(layer, consumed, gone));
    }
    return results;
  }

  /** Nobody else has it meanwhile; afterwards only where it is kept, or this fails; or where the task is cut off. */
  async #hand(
    entry: Entry,
    scope: Scope,
    take: Parameters<UploadHandles['consume']>[1],
  ): Promise<unknown> {
    const { uploads } = this.#host.world.ports;
    const file = entry.mode === 'channel' ? uploads.file(entry.ref) : null;
    let result: unknown = KEEP;
    entry.isTaken = true;
    // At once: whoever visits it may never come back, and by then another may have it.
    const back = (): void => giveBack([entry]);
    scope.signal.addEventListener('abort', back);
    try {
      result = await take(itemOf(entry), file);
      if (scope.phase === 'closed') throw new HoldfastError('closed');
      return result;
    } finally {
      if (result === KEEP) scope.signal.removeEventListener('abort', back);
      if (result === KEEP && scope.phase !== 'closed') back();
    }
  }
}

function placeIn(node: ViewNode, upload: string): Place | null {
  const { uploads = {} } = node.view;
  const definition = Object.hasOwn(uploads, upload) ? uploads[upload] : undefined;
  return definition === undefined ? null : { node, upload, definition };
}
