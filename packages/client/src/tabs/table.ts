import {
  Candidate,
  type CandidateEffect,
  type CandidateInput,
  isElectionMessage,
  type Leader,
} from '@holdfast/engine/election';
import { alarm } from '@holdfast/engine/registry';
import type { Glob, StoreName } from '@holdfast/protocol';
import type { Cache } from '../cache/port.ts';
import type { NetworkHint } from '../env.ts';
import type { Settings } from '../options.ts';
import { isOver } from '../connection.ts';
import { TabCache } from './cache.ts';
import { StoreHub } from './hub.ts';
import type { Leading } from './leading.ts';
import type { LineMessage } from './line-message.ts';
import { type Route, TabLink } from './link.ts';
import { Peers } from './peers.ts';
import type { TabsChannel, TabsPlatform } from './platform.ts';
import type { TabLines } from './lines.ts';
import type { Seat, Seated, SeatedNews, SeatedStore } from './seat.ts';

type Wish = CandidateInput extends infer Input
  ? Input extends CandidateInput
    ? Omit<Input, 'now' | 'wall'>
    : never
  : never;

/** How long a store waits for word of who leads before it reads the cache. */
const roleKnownMs = 250;
/** After so long what could not be loaded is tried again. */
const retryMs = 15_000;
/** In so long one learns that one leads no more. */
const fencedMs = 3000;

/**
 * The seat of one tab at a table where one of them leads. It brings together who leads (the candidate), where the tab's
 * connection goes (the link), what the others get (the relay), and what is kept (the cache).
 */
export class TableSeat implements Seat {
  readonly #settings: Settings;
  readonly #platform: TabsPlatform;
  /** Names the table: what tabs must have in common to share. */
  readonly #table: string;
  readonly #cache: TabCache | null;
  readonly #peers: Peers;
  readonly #hubs = new Map<StoreName, StoreHub>();
  /** How the client of this tab hears of the network. */
  #hear: (hint: NetworkHint) => void = () => undefined;
  readonly #inputs: Wish[] = [];
  readonly #setAlarm: (at: number) => void;
  readonly #setRetry: (at: number) => void;
  readonly #setReign: (at: number) => void;
  readonly #role: Promise<void>;
  #roleFound: () => void = () => undefined;
  #at: Place | null = null;
  /** What is done for others: loaded apart, and nobody is served until it is here. */
  #leading: Leading | null = null;
  /** It is here, or could not be had. */
  #isPrepared = false;
  #lock: () => void = () => undefined;
  isLeading = false;
  #isFrozen = false;
  #stopWatching: (() => void) | undefined;
  #isStepping = false;

  constructor(settings: Settings, platform: TabsPlatform, table: string) {
    const { env, cache } = settings;
    this.#settings = settings;
    this.#platform = platform;
    this.#table = table;
    this.#peers = new Peers(platform, table);
    this.#setAlarm = alarm(env, () => this.#step({ type: 'tick' }));
    this.#setRetry = alarm(env, () => void this.#prepare());
    this.#setReign = alarm(env, () => this.#cache?.lead());
    this.#role = new Promise((resolve) => {
      this.#roleFound = resolve;
    });
    this.#cache = cache === null ? null : this.#cacheOver(cache);
  }

  /** The settings of a client that sits here. */
  get settings(): Settings {
    const { env } = this.#settings;
    return {
      ...this.#settings,
      tabs: this,
      cache: this.#cache?.cache ?? null,
      link: { open: (url, events) => this.#open(url, events) },
      env: {
        ...env,
        watchNetwork: (hear) => {
          this.#hear = hear;
          return env.watchNetwork(hear);
        },
      },
    };
  }

  begin(client: Seated): void {
    const { session: id, status } = client;
    const { env, link, report } = this.#settings;
    const table = this.#platform.channel(this.#table, (message) => this.#hearAll(message));
    this.#at = {
      client,
      id,
      candidate: new Candidate({ id, random: () => env.random() }),
      link: new TabLink({ link, env, report, review: () => this.#review() }),
      table,
      unsubscribe: status.subscribe(() => this.#lookAtStatus()),
    };
    this.#peers.begin(id, (from, about) => this.#hearOwn(from, about));
    this.#stopWatching = this.#platform.watchFreezing?.((isFrozen) => this.#freeze(isFrozen));
    this.#stand();
    void this.#prepare();
  }

  opened(store: SeatedStore, name: StoreName): void {
    const hub = this.#hubs.get(name) ?? new StoreHub(() => this.#settings.env.wall());
    this.#hubs.set(name, hub);
    hub.opened(store);
  }

  heard(store: SeatedStore, news: SeatedNews): void {
    for (const [name, hub] of this.#hubs) {
      if (hub.store !== store) continue;
      hub.heard(store, news);
      this.#leading?.heard(name, hub);
    }
  }

  close(): void {
    // What is on its way to the cache is stored, unless another one leads by then.
    this.isLeading = false;
    this.#leading?.end();
    this.#step({ type: 'withdraw' });
    this.#at?.table.close();
    this.#at?.unsubscribe();
    this.#stopWatching?.();
    this.#at = null;
    this.#setRetry(Infinity);
    this.#setReign(Infinity);
    this.#peers.close();
  }

  // ── who leads ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Inputs are taken one after the other, each with all that it causes. */
  #step(wish: Wish): void {
    this.#inputs.push(wish);
    if (this.#isStepping) return;
    this.#isStepping = true;
    const { env } = this.#settings;
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      const effects = this.#at?.candidate.step({ ...next, now: env.now(), wall: env.wall() });
      for (const effect of effects ?? []) this.#perform(effect);
    }
    this.#isStepping = false;
  }

  #stand(): void {
    if (!this.#isFrozen) this.#step({ type: 'stand' });
  }

  /** What is frozen answers others, and can do nothing for them: it would be taken for alive. */
  #freeze(isFrozen: boolean): void {
    this.#isFrozen = isFrozen;
    if (isFrozen) this.#step({ type: 'withdraw' });
    else if (this.#at !== null && !isOver(this.#at.client.status.get())) this.#stand();
  }

  #perform(effect: CandidateEffect): void {
    switch (effect.type) {
      case 'claim':
        this.#claim(effect);
        break;
      case 'release':
        this.#lock();
        break;
      case 'say':
        this.#at?.table.post(effect.message);
        break;
      case 'lead':
        this.#lead();
        break;
      case 'follow':
        this.#follow(effect.leader);
        break;
      case 'aside':
        this.#follow(null);
        break;
      case 'wake':
        this.#setAlarm(effect.at ?? Infinity);
        break;
    }
  }

  #claim({ claim, steal }: Extract<CandidateEffect, { type: 'claim' }>): void {
    this.#lock();
    this.#lock = this.#platform.lock(
      `${this.#table}/leader`,
      { steal },
      {
        held: () => this.#step({ type: 'held', claim }),
        lost: () => this.#step({ type: 'robbed', claim }),
        refused: () => {
          // A page that may keep nothing: it neither leads nor follows, and has a connection of its own at once.
          this.#at?.link.use(null);
          this.#step({ type: 'withdraw' });
        },
      },
    );
  }

  #lead(): void {
    this.isLeading = true;
    this.#at?.client.changed();
    this.#cache?.lead();
    this.#roleFound();
    this.#go({ to: 'server' });
    this.#leading?.begin();
    this.#lookAtStatus();
  }

  #follow(leader: Leader | null): void {
    if (this.isLeading) {
      this.isLeading = false;
      this.#at?.client.changed();
      this.#cache?.follow();
      this.#leading?.resign();
      this.#setReign(Infinity);
    }
    if (leader !== null) this.#roleFound();
    this.#go(leader === null ? { to: 'nobody' } : { to: 'tab', leader });
  }

  #go(route: Route): void {
    this.#at?.link.route(route);
    // What waits need wait no longer: there is a way.
    const isWay = route.to === 'server' || (route.to === 'tab' && route.leader.isUp);
    if (isWay) this.#hear('online');
  }

  /** A leader without a connection serves nobody; a client that has given up neither leads nor waits for it. */
  #lookAtStatus(): void {
    const status = this.#at?.client.status.get();
    if (status !== undefined && isOver(status)) this.#step({ type: 'withdraw' });
    const isUp = this.#isUp;
    this.#step({ type: 'up', isUp });
    if (!isUp) this.#leading?.relay.close();
  }

  /** One that cannot serve says so, too: who is not answered goes its own way, and would wait else (registry.md §3.6). */
  get #isUp(): boolean {
    const isUp = this.#at?.client.status.get().connection === 'connected';
    return this.isLeading && this.#isPrepared && isUp;
  }

  /** Every tab may have to lead at any moment, or follow, and then without delay. */
  async #prepare(): Promise<void> {
    const { codec, env, report } = this.#settings;
    const [at, cache, hubs, peers] = [this.#at, this.#cache, this.#hubs, this.#peers];
    if (at === null) return;
    const { id, link } = at;
    const { client } = at.client;
    const hold = this.#hold.bind(this);
    const loaded = await together().catch(report);
    if (this.#at !== at) return;
    if (loaded === undefined) {
      link.use(null);
      this.#setRetry(env.now() + retryMs);
    } else {
      const { Leading: Begin, TabLines } = loaded;
      this.#leading = new Begin({ cache, client, codec, env, hold, hubs, peers, report });
      link.use(new TabLines({ id, env, post: (to, message) => peers.post(to, message) }));
      if (this.isLeading) this.#leading.begin();
    }
    this.#isPrepared = true;
    this.#lookAtStatus();
  }

  // ── between tabs ─────────────────────────────────────────────────────────────────────────────────────────────────

  #open(...call: Parameters<TabLink['open']>): ReturnType<TabLink['open']> {
    const link = this.#at?.link;
    if (link === undefined) throw new TypeError('The client has no seat among the tabs any more.');
    this.#stand();
    return link.open(...call);
  }

  #hearAll(message: unknown): void {
    if (!isElectionMessage(message)) return;
    this.#notice(message.id);
    this.#step({ type: 'heard', message });
  }

  #hearOwn(from: string, about: LineMessage): void {
    if (this.#at === null) return;
    const { id, link } = this.#at;
    this.#notice(from);
    // The tab that asks for a line names it.
    if (about.line.startsWith(`${id}/`)) link.hear(from, about);
    else this.#leading?.relay.hear(from, about, this.#isUp ? link.identity : null);
  }

  #notice(session: string): void {
    if (this.#peers.notice(session)) this.#leading?.noticed();
  }

  // ── stores ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #hold(store: StoreName, part: readonly Glob[]): { hub: StoreHub; release: () => void } {
    const release = this.#at?.client.retain(store, part);
    const hub = this.#hubs.get(store);
    if (release === undefined || hub === undefined) throw new Error('The client is closed.');
    return { hub, release };
  }

  #review(): Promise<unknown> | null {
    const reviews = Array.from(this.#hubs, ([name, { store }]) =>
      store === null ? null : this.#cache?.review(name, store),
    ).filter((each) => each instanceof Promise);
    return reviews.length === 0 ? null : Promise.all(reviews).catch(this.#settings.report);
  }

  #cacheOver(cache: Cache): TabCache {
    const { sharing } = cache;
    if (sharing === undefined) throw new TypeError('tabs: this cache cannot be shared by tabs.');
    const { env } = this.#settings;
    return new TabCache({
      cache,
      sharing,
      env,
      peers: this.#peers,
      fenced: () => this.#fenced(),
      image: (store) => this.#hubs.get(store)?.image ?? null,
      roleKnown: () => {
        env.setTimeout(this.#roleFound, roleKnownMs);
        return this.#role;
      },
    });
  }

  /** Another reign has begun: that of our successor, unless nobody has succeeded us, and it came late. */
  #fenced(): void {
    if (this.isLeading) this.#setReign(this.#settings.env.now() + fencedMs);
  }
}

type Together = { readonly Leading: typeof Leading; readonly TabLines: typeof TabLines };

let loading: Promise<Together> | null = null;

/** Loads what a tab needs that is not alone; what could not be had is tried again. */
export function together(): Promise<Together> {
  loading ??= import('./together.ts').catch((error: unknown) => {
    loading = null;
    throw error;
  });
  return loading;
}

type Place = {
  readonly client: Seated;
  readonly id: string;
  readonly candidate: Candidate;
  readonly link: TabLink;
  readonly table: TabsChannel;
  readonly unsubscribe: () => void;
};
