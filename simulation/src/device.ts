import {
  type Cache,
  type CacheChange,
  type CachedStore,
  type Client,
  type ClientEnv,
  type ClientOptions,
  createClient,
  type Link,
  type NetworkHint,
  type Store,
  type WebSocketClass,
  webSocketLink,
} from '@holdfast/client';
import type { OpId, StoreName } from '@holdfast/protocol';
import { WebSocket } from 'ws';
import { Cable } from './cable.ts';
import { call } from './call.ts';
import type { GroundKind } from './ground.ts';
import { type Pocket, pocketOf } from './pocket.ts';
import { type Room, wallStart } from './room.ts';
import type { Site } from './site.ts';
import { Timers } from './timers.ts';

/** What a client of a world may be given besides. */
export type DeviceOptions = Partial<Omit<ClientOptions, 'url' | 'deviceId' | 'env' | 'link'>> & {
  /** Whether it has a cache that outlives it; it has, unless this is false. */
  readonly durable?: boolean;
  /** What that cache is: memory, or an SQLite file that is copied as it lies when a client dies. Default: memory. */
  readonly keepsIn?: GroundKind;
  /** Whether its messages are compressed, and those to it, where its server does that; default: no. */
  readonly deflates?: boolean;
  /** The part of each store that it holds all the time; default: the whole. */
  readonly scope?: readonly string[];
  /** How many bytes may be on their way to it at a time, before its server has to wait; default: 32 KiB. */
  readonly windowBytes?: number;
  /** The stores that it may open; default: all of the world. */
  readonly uses?: readonly string[];
  /** The installation that it says it is, where others say the same, such as the tabs of a browser; default: its name. */
  readonly installation?: string;
  /** Puts something between its clients and their connections. */
  readonly wrap?: (link: Link) => Link;
  /** Hears that a client ends amid whatever it does, and of the one that takes its place. */
  readonly onCrash?: (how: { readonly keepsCache: boolean }) => void;
  readonly onRestart?: (client: Client) => void;
};

/** How a client ends amid whatever it does, and what the next one begins with. */
export type CrashOptions = {
  /** Whether the next one finds what the cache has; it does, unless this is false. */
  readonly keepsCache?: boolean;
  /** What clients are given besides from now on, such as another `schemaVersion`. */
  readonly options?: DeviceOptions;
};

type Life = { readonly client: Client; readonly timers: Timers; hint: (hint: NetworkHint) => void };

/** An installation of an application: real clients one after the other, on one cache, behind one network connection. */
export class Device {
  readonly name: string;
  /** What went wrong inside its clients without a caller. */
  readonly errors: unknown[] = [];
  readonly #room: Room;
  readonly #site: Site;
  #options: DeviceOptions;
  readonly #cables = new Set<Cable>();
  /** Ends of connections that have broken, which has not been heard of here. */
  readonly #broken = new Set<Cable['client']>();
  readonly #stores = new Map<string, Store>();
  readonly #pocket: Pocket;
  /** Writes of each store that are in the cache. */
  #kept = new Map<string, Set<OpId>>();
  #life: Life;
  #lives = 0;
  #slowness = 0;
  #wallOffset = 0;
  #isCutOff = false;
  #tokens = 1;
  /** Whether its present token ends. */
  #endsTokens = false;
  #saidAt = 0;

  constructor(
    name: string,
    room: Room,
    of: { readonly site: Site; readonly options: DeviceOptions },
  ) {
    this.name = name;
    this.#room = room;
    this.#site = of.site;
    this.#options = of.options;
    this.#pocket = pocketOf(of.options.keepsIn ?? 'memory', room.work);
    this.#life = this.#start();
  }

  /** The client that lives now. */
  get client(): Client {
    return this.#life.client;
  }

  /** A handle on a store, of the client that lives now; the same one each time. */
  store(name: string): Store {
    let store = this.#stores.get(name);
    if (store === undefined) {
      const { scope } = this.#options;
      store = this.client.store(name, scope === undefined ? {} : { scope });
      this.#stores.set(name, store);
    }
    return store;
  }

  /** Whether it may open a store. */
  uses(name: string): boolean {
    return this.#options.uses?.includes(name) ?? true;
  }

  /** Writes of a store that are in the cache, and would be sent by the next client. */
  kept(name: string): readonly OpId[] {
    return [...(this.#kept.get(name) ?? [])];
  }

  /** Asks the server over HTTP, with its token; tells the status of the answer. */
  async ask(path: string): Promise<number> {
    const { timers } = this.#life;
    const headers = { authorization: `Bearer ${this.token}` };
    const answer = await this.#call(timers, `http://simulated.example${path}`, { headers });
    await answer.arrayBuffer();
    return answer.status;
  }

  /** How many clients there have been. */
  get lives(): number {
    return this.#lives;
  }

  /** Asks over HTTP, each time on a connection of its own. */
  fetch(url: string, init: RequestInit): Promise<Response> {
    return this.#call(this.#life.timers, url, init);
  }

  /** The token that it shows. */
  get token(): string {
    return `${this.name}.${this.#tokens}`;
  }

  /** How many timers its client has running. */
  get timers(): number {
    return this.#life.timers.count;
  }

  /** How many connections to the server it has. */
  get connections(): number {
    return this.#cables.size;
  }

  /** Whether a connection has broken, and its client does not know yet. */
  get isUnaware(): boolean {
    return this.#broken.size > 0;
  }

  /** When the server sent what arrives now: long ago, where it was held back on its way. */
  get saidAt(): number {
    return this.#saidAt;
  }

  get isAsleep(): boolean {
    return this.#room.agenda.now < this.#life.timers.asleepUntil;
  }

  cut(): void {
    for (const cable of this.#cables) cable.cut();
  }

  cutAmid(): void {
    for (const cable of this.#cables) cable.cutAmid();
  }

  /** Its connections are half-open from now on. */
  mute(): void {
    for (const cable of this.#cables) cable.mute();
  }

  /** Whether it can reach the server at all. */
  cutOff(isCutOff: boolean): void {
    this.#isCutOff = isCutOff;
    if (isCutOff) this.mute();
  }

  /** Reads a kilobyte in so many milliseconds. */
  slow(msPerKilobyte: number): void {
    this.#slowness = msPerKilobyte;
    for (const cable of this.#cables) cable.slowness = msPerKilobyte;
  }

  /** A frozen tab: no timer rings, nothing arrives. */
  sleep(ms: number): void {
    this.#life.timers.asleepUntil = this.#room.agenda.now + ms;
    for (const cable of this.#cables) cable.hold('down', ms);
    this.#room.agenda.later(ms, () => this.hint('woke'));
  }

  /** Somebody sets its wall clock. */
  jump(ms: number): void {
    this.#wallOffset += ms;
  }

  hint(hint: NetworkHint): void {
    this.#life.hint(hint);
  }

  /** Its token is revoked; it is given another when it asks. */
  revoke(): void {
    this.#site.revoke(this.token);
    this.#tokens += 1;
  }

  /** The process ends amid whatever it does, and another starts, on what the cache has, or without it. */
  crash({ keepsCache = true, options = {} }: CrashOptions = {}): Client {
    this.#room.note(this.name, keepsCache ? 'crashes' : 'crashes, and loses its cache');
    this.#options.onCrash?.({ keepsCache });
    this.end();
    if (keepsCache) this.#pocket.restart();
    else this.#pocket.lose();
    if (!keepsCache) this.#kept.clear();
    this.#stores.clear();
    this.#options = { ...this.#options, ...options };
    this.#life = this.#start();
    this.#options.onRestart?.(this.client);
    return this.client;
  }

  /** The process ends. */
  end(): void {
    this.#life.timers.end();
    this.cut();
  }

  /** Lets go of what it has kept. */
  discard(): Promise<void> {
    return this.#pocket.end();
  }

  /** Whoever asks for a token gets another where they end. */
  #ask(): string {
    const lastsMs = this.#room.tokenMs();
    // One that was given out before may have ended.
    if (lastsMs < Infinity || this.#endsTokens) this.#tokens += 1;
    this.#endsTokens = lastsMs < Infinity;
    if (this.#endsTokens) this.#site.issue(this.token, lastsMs);
    return this.token;
  }

  #start(): Life {
    this.#lives += 1;
    const timers = new Timers(this.#room.agenda);
    let heard = deaf;
    const {
      durable = true,
      keepsIn: _,
      deflates: _deflates,
      installation = this.name,
      scope: _scope,
      uses: _uses,
      windowBytes: _windowBytes,
      wrap,
      onCrash: __,
      onRestart: ___,
      ...options
    } = this.#options;
    const link = webSocketLink({ webSocket: this.#socketsOf(timers) });
    const client = createClient({
      token: () => this.#ask(),
      onError: (error) => this.errors.push(error),
      ...(durable && { cache: this.#cacheOf(timers) }),
      ...options,
      url: 'ws://simulated.example',
      deviceId: installation,
      link: wrap?.(link) ?? link,
      env: this.#envOf(timers, (hear) => (heard = hear)),
    });
    let said: string | null = null;
    client.status.subscribe(() => {
      const { connection } = client.status.get();
      if (!timers.isOver && connection !== said) this.#room.note(this.name, connection);
      said = connection;
    });
    return { client, timers, hint: (hint) => heard(hint) };
  }

  #envOf(timers: Timers, listen: (hear: (hint: NetworkHint) => void) => void): ClientEnv {
    const { agenda, dice } = this.#room;
    const { installation } = this.#options;
    const life = installation === undefined ? `s${this.#lives}` : `${this.name}-s${this.#lives}`;
    let draws = 0;
    // The first names the client.
    const drawn = (): string => (draws++ === 0 ? life : `${life}x${draws}`);
    return {
      now: () => agenda.now,
      wall: () => wallStart + Math.floor(agenda.now) + this.#wallOffset,
      setTimeout: timers.set,
      clearTimeout: timers.clear,
      random: () => dice.next(),
      randomId: drawn,
      deviceId: () => installation ?? this.name,
      fetch: (url, init) => this.#call(timers, url, init),
      watchNetwork: (hear) => {
        listen(hear);
        return () => listen(deaf);
      },
      dev: false,
    };
  }

  #call(timers: Timers, url: string, init: RequestInit): Promise<Response> {
    return call({ dial: () => this.#dial(timers), work: this.#room.work }, url, init);
  }

  /** Stores some time after it was asked to, if the process lives that long. */
  #cacheOf(timers: Timers): Cache {
    const { cache } = this.#pocket;
    const { open, letters } = cache;
    return {
      ...(open !== undefined && { open: (terms) => open.call(cache, terms) }),
      ...(letters !== undefined && { letters }),
      waiting: () => cache.waiting?.() ?? [],
      keeping: cache.keeping,
      load: (store: StoreName): CachedStore | null | Promise<CachedStore | null> =>
        cache.load(store),
      commit: (store: StoreName, change: CacheChange): Promise<void> =>
        new Promise((resolve, reject) => {
          timers.set(() => {
            this.#keep(store, change);
            Promise.resolve(cache.commit(store, change)).then(resolve, reject);
          }, 10);
        }),
      clear: (store: StoreName) => cache.clear(store),
    };
  }

  #keep(store: StoreName, { requests }: CacheChange): void {
    const kept = this.#kept.get(store) ?? new Set();
    this.#kept.set(store, kept);
    for (const [opId, request] of requests) {
      if (request === null) kept.delete(opId);
      else kept.add(opId);
    }
  }

  /** The WebSockets of one process: real ones, on sockets that lead to the simulated server. */
  #socketsOf(timers: Timers): WebSocketClass {
    const dial = (): Cable['client'] => this.#dial(timers);
    // One after the other: of several at once nobody knows which is ready first.
    const perMessageDeflate = this.#options.deflates === true && {
      threshold: 0,
      concurrencyLimit: 1,
    };
    return class extends WebSocket {
      constructor(url: string) {
        super(url, { createConnection: dial, perMessageDeflate });
      }
    };
  }

  #dial(timers: Timers): Cable['client'] {
    const { windowBytes } = this.#options;
    const events = {
      gone: () => {
        this.#cables.delete(cable);
        if (!cable.client.destroyed) this.#broken.add(cable.client);
        this.#site.gone(cable);
      },
      heard: (sentAt: number) => void (this.#saidAt = sentAt),
    };
    const cable: Cable = new Cable(this.#room, events, windowBytes);
    cable.client.once('close', () => this.#broken.delete(cable.client));
    cable.slowness = this.#slowness;
    if (timers.isOver) {
      // Once whoever dials hears of it: what waits for a socket that was gone before waits for good.
      setImmediate(() => cable.refuse());
      return cable.client;
    }
    this.#cables.add(cable);
    if (this.#isCutOff) cable.mute();
    else this.#room.agenda.later(this.#room.delay(60), () => this.#site.accept(cable));
    return cable.client;
  }
}

function deaf(_hint: NetworkHint): void {
  // Nobody listens.
}
