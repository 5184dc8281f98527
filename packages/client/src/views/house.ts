import { HoldfastError, type JsonObject } from '@holdfast/protocol';
import { nodeKey } from '@holdfast/engine/mirror';
import { isModuleName, rootIdOf } from '@holdfast/protocol/views';
import { deferred, releaseOnce, type Release } from '@holdfast/engine/registry';
import { call } from '../cell.ts';
import { checkOptions, closedError } from '../mistakes.ts';
import type { Party, Room } from '../room.ts';
import type { KeepTree } from './cache-loader.ts';
import type { CacheUse } from './cache-options.ts';
import { canonical } from './canonical.ts';
import type { MountOptions } from './mount-ports.ts';
import { Mount } from './mount.ts';
import { Proxies } from './proxy.ts';
import { Root } from './root.ts';
import type { ViewHandle, ViewOptions, ViewProxy } from './types.ts';
import type { Uploader } from './upload.ts';
import { uploadsOf } from './uploads.ts';
import { WeakValues } from './weak-values.ts';

/** How a house of views is made: what the options of `views` become. */
export type HouseOptions = MountOptions & {
  /** Null: nothing is kept. */
  readonly cache: KeepTree | null;
  readonly uploaders: ReadonlyMap<string, Uploader>;
};

type Mounted = {
  readonly mount: Mount;
  /** What stays of the root, over all its mounts. */
  readonly proxies: Proxies;
  readonly cacheUse: string;
  holds: number;
};

const kinds = {
  id: 'string',
  params: 'object',
  signal: 'object',
  cache: 'boolean or object',
  initialData: 'object',
  join: 'boolean',
};

const idBytesMax = 512;

/** The views of one client. */
export class House implements Party {
  readonly conflicts = 0;
  readonly #room: Room;
  readonly #options: HouseOptions;
  readonly #mounted = new Map<string, Mounted>();
  /** Of every root that somebody still has a proxy of. */
  readonly #proxies = new WeakValues<Proxies>();

  constructor(room: Room, options: HouseOptions) {
    this.#room = room;
    this.#options = options;
    room.parties.add(this);
  }

  get isBehind(): boolean {
    // What was not asked for, or is refused for good, is not on its way.
    return [...this.#mounted.values()].some(
      ({ mount: { isBegun, isLive }, proxies: { root } }) =>
        isBegun && !isLive && root.health.get().state !== 'failed',
    );
  }

  /** Mounts a root, or takes a hold on it where it is mounted (views.md §12.2). */
  view(module: string, options: ViewOptions = {}): ViewHandle {
    const { id = 'default', params = {}, signal, cache, initialData } = check(module, options);
    const { join = true } = options;
    const proxies = this.#proxiesOf(rootIdOf(module, id));
    const cacheUse = canonical(cache ?? false);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of JSON below
    const wanted = JSON.parse(canonical(params)) as JsonObject;
    const mounted =
      this.#known(proxies, wanted, cacheUse) ??
      this.#mount(proxies, { module, id, params: wanted, cacheUse, cache, initialData });
    if (join) mounted.mount.begin();
    return this.#handle(mounted, signal);
  }

  /** What is mounted of a root; throws where it is with other options. */
  #known({ root }: Proxies, params: JsonObject, cacheUse: string): Mounted | undefined {
    const mounted = this.#mounted.get(root.rootId);
    const isSame =
      mounted?.cacheUse === cacheUse && canonical(mounted.mount.params) === canonical(params);
    if (mounted === undefined || isSame) return mounted;
    if (mounted.holds > 0) throw new HoldfastError('option_mismatch', { view: root.rootId });
    // Nobody holds it, it only lingers.
    mounted.mount.unmount();
    return undefined;
  }

  close(): void {
    for (const { mount } of this.#mounted.values()) mount.unmount(closedError('client'));
  }

  describe(): readonly object[] {
    return [...this.#mounted.values()].map(({ mount }) => mount.describe());
  }

  #proxiesOf(rootId: string): Proxies {
    return this.#proxies.of(rootId, () => {
      const root = new Root(rootId, this.#room.settings);
      return new Proxies(root, uploadsOf(root, this.#room, this.#options.uploaders));
    });
  }

  #mount(
    proxies: Proxies,
    how: Pick<ViewOptions, 'initialData'> & {
      readonly module: string;
      readonly id: string;
      readonly params: JsonObject;
      readonly cache: CacheUse;
      readonly cacheUse: string;
    },
  ): Mounted {
    const { module, id, params, cache: use, cacheUse, initialData } = how;
    const { cache: keep } = this.#options;
    if (use && keep === null) {
      throw new TypeError('client.view: "cache" needs a "viewCache" in the options of views().');
    }
    const { rendered, settings } = this.#room;
    const { root } = proxies;
    const asked = canonical(params);
    const known = rendered.views.get(root.rootId);
    const seed = known?.params === asked ? known.initialData : undefined;
    const initial = initialData ?? seed;
    const ended = (): void => {
      this.#mounted.delete(root.rootId);
      rendered.views.delete(root.rootId);
    };
    const ports = { room: this.#room, root, module, id, options: this.#options, ended };
    const mount = new Mount(ports, params);
    const { mirror } = mount;
    rendered.views.set(root.rootId, { params: asked, initialData: initial, mirror });
    const mounted: Mounted = { mount, proxies, cacheUse, holds: 0 };
    this.#mounted.set(root.rootId, mounted);
    mount.appear();
    const missed = (): void => {
      if (initialData !== undefined) mount.seed(initialData, false);
      // What comes from a page is not to be trusted to be a tree.
      else if (seed !== undefined) call(() => mount.seed(seed, false), settings.report);
    };
    if (use && keep !== null) keep(mount, { root: [module, id], use, missed });
    else missed();
    return mounted;
  }

  #handle(mounted: Mounted, signal: AbortSignal | undefined): ViewHandle {
    const { mount, proxies } = mounted;
    mounted.holds += 1;
    const leave = (): void => {
      if (mounted.holds === 0) mount.unmount();
    };
    const release = releaseOnce(() => {
      mounted.holds -= 1;
      signal?.removeEventListener('abort', abort);
      // A moment, in which it may be held again.
      if (mounted.holds === 0) mount.env.setTimeout(leave, 0);
    });
    const proxy = proxies.of(nodeKey([]));
    const ready = deferred<ViewProxy>();
    mount.ready.promise.then(() => ready.resolve(proxy), ready.reject);
    const abort = (): void => {
      ready.reject(signal?.reason);
      release();
    };
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    return new Handle(proxies.root, mount, { proxy, ready: ready.promise, release });
  }
}

type Held = {
  readonly proxy: ViewProxy;
  readonly ready: Promise<ViewProxy>;
  readonly release: Release;
};

class Handle implements ViewHandle {
  readonly ready: Promise<ViewProxy>;
  readonly proxy: ViewProxy;
  readonly health: Root['health'];
  readonly #mount: Mount;
  readonly #release: Release;

  constructor(root: Root, mount: Mount, { proxy, ready, release }: Held) {
    this.ready = ready;
    this.proxy = proxy;
    this.health = root.health;
    this.#mount = mount;
    this.#release = release;
  }

  get params(): JsonObject {
    return this.#mount.params;
  }

  get fromCache(): boolean {
    return this.#mount.fromCache;
  }

  get isFetching(): boolean {
    const { state } = this.health.get();
    return state === 'mounting' || state === 'stale';
  }

  get revalidated(): Promise<void> {
    return this.#mount.revalidated.promise;
  }

  setParams(params: unknown): Promise<void> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of JSON
    return this.#mount.setParams(JSON.parse(canonical(params)) as JsonObject);
  }

  onRemount(run: () => void): Release {
    const { remounts } = this.#mount;
    const listener = (): void => run();
    remounts.add(listener);
    return releaseOnce(() => remounts.delete(listener));
  }

  unmount(): void {
    this.#release();
  }

  [Symbol.dispose](): void {
    this.#release();
  }
}

function check(module: string, options: ViewOptions): ViewOptions {
  if (!isModuleName(module)) {
    throw new TypeError(`client.view: "${module}" is no name of a view.`);
  }
  checkOptions('client.view', options, kinds);
  const { id = 'default' } = options;
  if (id === '' || new TextEncoder().encode(id).length > idBytesMax) {
    throw new TypeError('client.view: "id" has 1 to 512 bytes.');
  }
  return options;
}
