import {
  Candidate,
  type CandidateEffect,
  type CandidateInput,
  isElectionMessage,
  type Leader,
} from '@holdfast/engine/election';
import { alarm } from '@holdfast/engine/registry';
import type { ReplicaImage } from '@holdfast/engine/replica';
import type { Glob, StoreName } from '@holdfast/protocol';
import type { Cache } from '../cache/port.ts';
import type { NetworkHint } from '../env.ts';
import type { Settings } from '../options.ts';
import { WriteReceipt } from '../receipt.ts';
import { isOver } from '../uplink.ts';
import { TabCache } from './cache.ts';
import { StoreHub } from './hub.ts';
import type { LineMessage } from './line.ts';
import { type Route, TabLink } from './link.ts';
import { Peers } from './peers.ts';
import type { TabsChannel, TabsPlatform } from './platform.ts';
import type { Relay } from './relay.ts';
import type { Seat, Seated, SeatedNews, SeatedStore } from './seat.ts';

type Wish = CandidateInput extends infer Input
  ? Input extends CandidateInput
    ? Omit<Input, 'now' | 'wall'>
    : never
  : never;

/** How long a store waits for word of who leads before it reads the cache. */
const roleKnownMs = 250;
/** How often a leader looks whether those that it serves still live. */
const lookMs = 2000;
const lookAloneMs = 15_000;
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
  /** Stores of which we know what others have left, since they were joined. */
  readonly #live = new Set<StoreName>();
  readonly #hints = new Set<(hint: NetworkHint) => void>();
  readonly #inputs: Wish[] = [];
  readonly #setAlarm: (at: number) => void;
  readonly #setLook: (at: number) => void;
  readonly #role: Promise<void>;
  #roleFound: () => void = () => undefined;
  #at: Place | null = null;
  /** What serving others takes: loaded apart, and nobody is served until it is here. */
  #relay: Relay | null = null;
  #lock: () => void = () => undefined;
  #isLeading = false;
  #isStepping = false;

  constructor(settings: Settings, platform: TabsPlatform, table: string) {
    const { env, cache } = settings;
    this.#settings = settings;
    this.#platform = platform;
    this.#table = table;
    this.#peers = new Peers(platform, table);
    this.#setAlarm = alarm(env, () => this.#step({ type: 'tick' }));
    this.#setLook = alarm(env, () => this.#lookAround());
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
          const stop = env.watchNetwork(hear);
          this.#hints.add(hear);
          return () => {
            this.#hints.delete(hear);
            stop();
          };
        },
      },
    };
  }

  begin(client: Seated): void {
    const { session: id, status } = client;
    const { env, link, report } = this.#settings;
    const post = (to: string, message: LineMessage): void => this.#peers.post(to, message);
    const table = this.#platform.channel(this.#table, (message) => this.#hearAll(message));
    this.#at = {
      client,
      id,
      candidate: new Candidate({ id, random: () => env.random() }),
      link: new TabLink({ id, link, env, report, post }),
      table,
      unsubscribe: status.subscribe(() => this.#lookAtStatus()),
    };
    this.#peers.begin(id, (from, about) => this.#hearOwn(from, about));
    this.#step({ type: 'stand' });
    this.#prepare();
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
      const wasLive = this.#live.has(name);
      if (!hub.isLive) this.#live.delete(name);
      else if (!wasLive) this.#adopt(name, hub);
    }
  }

  close(): void {
    // What is on its way to the cache is stored, unless another one leads by then.
    this.#isLeading = false;
    this.#relay?.end();
    this.#step({ type: 'withdraw' });
    this.#at?.table.close();
    this.#at?.unsubscribe();
    this.#at = null;
    this.#setAlarm(Infinity);
    this.#setLook(Infinity);
    this.#peers.close();
    this.#hints.clear();
    this.#roleFound();
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
      },
    );
  }

  #lead(): void {
    this.#isLeading = true;
    this.#cache?.lead();
    this.#roleFound();
    this.#go({ to: 'server' });
    this.#lookAtStatus();
    this.#lookAround();
  }

  #follow(leader: Leader | null): void {
    if (this.#isLeading) {
      this.#isLeading = false;
      this.#cache?.follow();
      this.#relay?.resign();
      this.#setLook(Infinity);
    }
    if (leader !== null) this.#roleFound();
    this.#go(leader === null ? { to: 'nobody' } : { to: 'tab', leader });
  }

  #go(route: Route): void {
    this.#at?.link.route(route);
    // What waits need wait no longer: there is a way.
    const isWay = route.to === 'server' || (route.to === 'tab' && route.leader.isUp);
    if (isWay) for (const hear of this.#hints) hear('online');
  }

  /** A leader without a connection serves nobody; a client that has given up neither leads nor waits for it. */
  #lookAtStatus(): void {
    const status = this.#at?.client.status.get();
    if (status !== undefined && isOver(status)) this.#step({ type: 'withdraw' });
    const isUp = this.#isUp;
    this.#step({ type: 'up', isUp });
    if (!isUp) this.#relay?.close();
  }

  get #isUp(): boolean {
    const isReady = this.#isLeading && this.#relay !== null;
    return isReady && this.#at?.client.status.get().connection === 'connected';
  }

  /** Every tab may have to lead at any moment, and then without delay. */
  #prepare(): void {
    if (this.#relay !== null) return;
    const { codec, env, report } = this.#settings;
    leading().then((side) => {
      this.#relay ??= new side.Relay({
        codec,
        now: () => env.now(),
        post: (to, message) => this.#peers.post(to, message),
        client: () => this.#at?.client.client ?? this,
        report,
        hold: (store, part) => this.#hold(store, part),
        wall: () => env.wall(),
        randomId: () => env.randomId(),
        setTimeout: (run, ms) => env.setTimeout(run, ms),
        clearTimeout: (timer) => env.clearTimeout(timer),
        relayed: (opId, session) => this.#cache?.relayed(opId, session),
      });
      this.#lookAtStatus();
    }, report);
  }

  // ── between tabs ─────────────────────────────────────────────────────────────────────────────────────────────────

  #open(...call: Parameters<TabLink['open']>): ReturnType<TabLink['open']> {
    const link = this.#at?.link;
    if (link === undefined) throw new TypeError('The client has no seat among the tabs any more.');
    this.#step({ type: 'stand' });
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
    else this.#relay?.hear(from, about, this.#isUp ? link.identity : null);
  }

  /** Somebody else is here, of whose end a leader wants to know. */
  #notice(session: string): void {
    const isNews = this.#peers.notice(session);
    if (isNews && this.#isLeading) this.#setLook(this.#settings.env.now() + lookMs);
  }

  #lookAround(): void {
    this.#prepare();
    this.#look().catch(this.#settings.report);
  }

  /** Lets go of tabs that are gone, and takes on what they have left. */
  async #look(): Promise<void> {
    try {
      await this.#letGo();
    } finally {
      const inMs = this.#peers.isAny ? lookMs : lookAloneMs;
      if (this.#isLeading) this.#setLook(this.#settings.env.now() + inMs);
    }
  }

  async #letGo(): Promise<void> {
    const gone = await this.#peers.missing();
    if (!this.#isLeading) return;
    for (const session of gone) {
      this.#relay?.gone(session);
      this.#cache?.gone(session);
    }
    if (gone.length > 0) for (const [name, hub] of this.#hubs) this.#adopt(name, hub);
  }

  // ── stores ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #hold(store: StoreName, part: readonly Glob[]): { hub: StoreHub; release: () => void } {
    const release = this.#at?.client.retain(store, part);
    const hub = this.#hubs.get(store);
    if (release === undefined || hub === undefined) throw new Error('The client is closed.');
    return { hub, release };
  }

  /** Sends what tabs that are gone have left in the outbox of a store. */
  #adopt(name: StoreName, hub: StoreHub): void {
    if (!this.#isLeading || this.#cache === null || !hub.isLive) return;
    this.#live.add(name);
    this.#cache.orphans(name).then((requests) => {
      const { store } = hub;
      if (!this.#isLeading || store === null || !hub.isLive) return;
      for (const { opId, request, firstSentAt } of requests) {
        // Too old to be sent again safely; whoever opens the store next is told.
        const isForgotten = firstSentAt !== null && firstSentAt < hub.dedupeSince;
        const isHere = hub.serving?.isAsked(opId) === true || store.stateOf(opId) !== null;
        if (isForgotten || isHere) continue;
        store.request(new WriteReceipt({ opId, request }, store), true, () => undefined);
      }
    }, this.#settings.report);
  }

  #cacheOver(cache: Cache): TabCache {
    const { sharing } = cache;
    if (sharing === undefined) throw new TypeError('tabs: this cache cannot be shared by tabs.');
    return new TabCache({
      cache,
      sharing,
      session: () => this.#peers.session,
      fenced: () => this.#fenced(),
      isSeen: this.#peers.isSeen,
      living: () => this.#peers.living(),
      image: (store) => this.#image(store),
      roleKnown: () => {
        this.#settings.env.setTimeout(this.#roleFound, roleKnownMs);
        return this.#role;
      },
    });
  }

  /** Another reign has begun: that of our successor, unless nobody has succeeded us, and it came late. */
  #fenced(): void {
    this.#settings.env.setTimeout(() => {
      if (this.#isLeading) this.#cache?.lead();
    }, fencedMs);
  }

  #image(name: StoreName): ReplicaImage | null {
    return this.#hubs.get(name)?.image ?? null;
  }
}

let loading: Promise<{ readonly Relay: typeof Relay }> | null = null;

/** Loads what a tab that leads needs; what could not be had is tried again. */
export function leading(): Promise<{ readonly Relay: typeof Relay }> {
  loading ??= import('./relay.ts').catch((error: unknown) => {
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
