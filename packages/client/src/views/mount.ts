import {
  CAPVER,
  HoldfastError,
  type Json,
  type JsonObject,
  type Refusal,
  RejectedError,
} from '@holdfast/protocol';
import { readViewJoinReply, viewTopic } from '@holdfast/protocol/views';
import { deferred, type Deferred } from '@holdfast/engine/registry';
import { Mirror, type NodeKey, nodeKey, type Recipe } from '@holdfast/engine/mirror';
import { call } from '../cell.ts';
import { closedError } from '../mistakes.ts';
import type { Room } from '../room.ts';
import type { News, Speaker } from '../uplink.ts';
import { type CallPorts, Calls, type Wish } from './calls.ts';
import type { InitialView } from './initial.ts';
import type { Keeper, MountPorts } from './mount-ports.ts';
import { MountParams, type ParamsPorts } from './params.ts';
import { rejected } from './rejected.ts';
import type { Mounted } from './root.ts';
import { structural } from './structural.ts';
import type { ViewHealth } from './types.ts';

//   mounting ──ok, envelope──▶ live ◀──ok──╮
//      │ refused                │ lost, gap │
//      ▼                        ▼           │
//   (dropped)                 stale ────────┴──refused for good──▶ failed
//
// 1. What is shown stays until another envelope is accepted (views.md §12.3).
// 2. A recovery is begun once: until it is joined again, nothing of the channel is read (§12.5).
// 3. A command is sent while live only; what was sent is answered, sent again, or fails (§12.7).

// So long a Musubi server has to send the envelope that follows a reply.
const settleMs = 250;

/** So long an envelope may take that follows the reply to a join: a tree may be large, and a line slow. */
const firstMs = 60_000;

/** There is to be another connection. */
const underWay: ReadonlySet<string> = /* @__PURE__ */ new Set(['connecting', 'reconnecting']);

/** One mount of a root: its channel, from the first join until nobody holds it. */
export class Mount implements Speaker, CallPorts, ParamsPorts, Mounted {
  readonly settings: Room['settings'];
  readonly env: Room['settings']['env'];
  readonly mirror: Mirror;
  readonly ready: Deferred<void> = deferred();
  readonly revalidated: Deferred<void> = deferred();
  readonly remounts: Set<() => void> = new Set();
  readonly lives: Set<(resumed: boolean) => void> = new Set();
  readonly timeoutMs: number | undefined;
  capver: number | null = null;
  /** It was asked for. */
  isBegun = false;
  isLive = false;
  fromCache = false;
  readonly #ports: MountPorts;
  readonly #topic: string;
  readonly #calls: Calls;
  readonly #params: MountParams;
  #keeper: Keeper | null = null;
  #wasLive = false;
  #isEnded = false;
  #resumed = false;
  #token: string | null = null;
  #error: HoldfastError | undefined;
  #attempts = 0;
  #isRecovering = false;
  /** Recoveries in a row, without an envelope in between. */
  #failures = 0;
  /** Gives up on the envelope that has to follow a reply. */
  #late: unknown;

  constructor(ports: MountPorts, params: JsonObject) {
    const { room, root, options } = ports;
    this.#ports = ports;
    this.settings = room.settings;
    this.env = room.settings.env;
    this.timeoutMs = options.timeoutMs;
    this.#params = new MountParams(params, this);
    this.#topic = viewTopic(root.rootId);
    this.mirror = new Mirror({ freeze: this.env.dev });
    this.#calls = new Calls(this);
  }

  get params(): JsonObject {
    return this.#params.wanted;
  }

  /** Those that what is shown was rendered with. */
  get had(): JsonObject {
    return this.#params.had;
  }

  /** Is what its root shows from now on. */
  appear(): void {
    const { root } = this.#ports;
    root.mount = this;
    root.events.begin();
    this.#become('mounting');
  }

  /** Asks the server for it; where it was refused, again. */
  begin(): void {
    this.isBegun = true;
    this.join();
  }

  /** Has it joined, where that was asked for and is not on its way; what was refused is asked for again. */
  join(): void {
    if (this.isBegun) this.#ports.room.uplink.join(this.#topic, this);
  }

  snapshot(node: NodeKey): Json | undefined {
    return this.mirror.snapshot(node);
  }

  /** Shows what was there before, unless something newer is shown. */
  seed({ tree, stream_ops = [] }: InitialView, fromCache: boolean): void {
    if (this.mirror.tree !== undefined || this.#isEnded) return;
    this.mirror.seed(tree, stream_ops);
    this.fromCache = fromCache;
    this.changed();
    this.ready.resolve();
  }

  /** Has its tree kept. */
  keep(keeper: Keeper): void {
    this.#keeper = keeper;
    if (this.#isEnded) keeper.flush(this.#error);
    else if (this.#wasLive) keeper.advanced();
  }

  /** Asks the server something about a node, or tells it to do something. */
  ask(wish: Wish, recipe?: Recipe): Promise<JsonObject> {
    if (this.#isGivenUp) return rejected(this.#error);
    const id = this.env.randomId();
    if (recipe !== undefined) {
      // What it throws is the caller's, and nothing is sent.
      this.mirror.addLayer(id, nodeKey(wish.storeId), recipe);
      this.changed();
    }
    return this.#calls.make(id, wish, (ok) => {
      if (recipe !== undefined) this.#endLayer(id, ok);
    });
  }

  push(id: string, event: string, payload: object): void {
    this.#ports.room.uplink.push(this.#topic, { id, event, payload, patient: true });
  }

  askParams(params: JsonObject): Promise<unknown> {
    const wish = { event: 'params', storeId: [], name: 'params', rest: { params } };
    // With the answer: what is rendered with them may come in one breath with it.
    return this.#calls.make(this.env.randomId(), wish, (ok) => {
      if (ok !== null) this.#params.had = params;
    });
  }

  /** Leaves the mount, and joins another one. */
  mountAnew(): void {
    this.#token = null;
    this.#ports.room.uplink.rejoin(this.#topic);
  }

  /** Uses other params for every later join, and for the mount that there is (views.md §12.2). */
  setParams(params: JsonObject): Promise<void> {
    return this.#isEnded ? rejected(closedError('view')) : this.#params.set(params);
  }

  /** Nobody holds it any more. */
  unmount(error: HoldfastError = closedError('view')): void {
    if (!this.#isEnded) this.#end('unmounted', error);
  }

  describe(): object {
    const { root } = this.#ports;
    const { version } = this.mirror;
    return { view: root.rootId, ...root.health.get(), version, params: this.params };
  }

  joinPayload(): object {
    const { module, id, options } = this.#ports;
    // What failed twice where it went on begins anew.
    const isAnew = this.#failures >= 2;
    this.#attempts += 1;
    this.#become(this.#state);
    const version = this.#token === null ? 0 : this.mirror.version;
    return {
      module,
      id,
      params: this.#params.join(),
      capver: CAPVER,
      ...(options.resume && !isAnew && { resume: { instance: this.#token, version } }),
    };
  }

  isFinal(refusal: Refusal): boolean {
    this.#error = errorOf(this.#ports.root.rootId, refusal);
    this.#become(this.#state);
    if (this.#ports.room.makeRoom?.(refusal) === true) return false;
    return !this.#wasLive || structural.has(this.#error.code);
  }

  hear(news: News): void {
    switch (news.type) {
      case 'joined':
        return this.#joined(news.response);
      case 'refused':
        return this.#refused(errorOf(this.#ports.root.rootId, news.refusal), this.settings.report);
      case 'lost':
        return this.#lost();
      case 'message':
        if (news.event === 'patch' && !this.#isRecovering) this.#take(news.payload);
        return;
      case 'reply':
        return this.#calls.answered(news);
      case 'connection':
        return this.#connected();
    }
  }

  changed(): void {
    const { root } = this.#ports;
    root.changed();
    root.settle();
  }

  /** While it is not live. */
  get #state(): ViewHealth['state'] {
    return this.#wasLive ? 'stale' : 'mounting';
  }

  /** What waits for it would wait in vain. */
  get #isGivenUp(): boolean {
    return this.#ports.root.health.get().state === 'failed';
  }

  #joined(response: unknown): void {
    const { root } = this.#ports;
    const reply = readViewJoinReply(response);
    if (reply?.root_id !== root.rootId) {
      this.#ports.room.uplink.leave(this.#topic);
      this.#refused(new HoldfastError('protocol', { expected: root.rootId, got: reply?.root_id }));
      return;
    }
    this.#isRecovering = false;
    this.#resumed = reply.resumed && this.#token !== null;
    this.#token = reply.instance;
    if (this.#token !== null) this.#ports.room.uplink.node = this.#token.split('.')[0];
    this.capver = reply.capver;
    this.mirror.joined({ rootId: root.rootId, capver: reply.capver, resumed: this.#resumed });
    if (!reply.resend) this.#calls.lost(false);
    // With nothing missed there is no envelope to wait for.
    if (this.#resumed && this.mirror.version > 0) this.#live();
    else this.#late = this.env.setTimeout(() => this.#recover(), firstMs);
  }

  #take(payload: unknown): void {
    const { root } = this.#ports;
    const events = this.mirror.take(payload);
    if (events === null) {
      this.#recover();
      return;
    }
    this.#failures = 0;
    this.fromCache = false;
    this.#keeper?.advanced();
    root.changed();
    for (const event of events) root.events.deliver(event);
    if (this.mirror.wantsReader) void this.#readUploads();
    if (!this.isLive && !this.#isEnded) this.#live();
    root.settle();
  }

  /** What reads about uploads is loaded where there are some. */
  async #readUploads(): Promise<void> {
    try {
      const { UploadBook } = await import('@holdfast/engine/mirror/uploads');
      this.mirror.useReader(new UploadBook());
      this.changed();
    } catch (error) {
      this.settings.report(error);
    }
  }

  #live(): void {
    const { report } = this.settings;
    const isRemount = this.#wasLive && !this.#resumed;
    this.env.clearTimeout(this.#late);
    this.isLive = true;
    this.#wasLive = true;
    this.#attempts = 0;
    this.#error = undefined;
    this.#become('live');
    this.ready.resolve();
    this.revalidated.resolve();
    this.#calls.live();
    for (const run of Array.from(this.lives)) run(this.#resumed);
    if (isRemount) for (const run of Array.from(this.remounts)) call(run, report);
    void this.#params.sync();
  }

  #lost(): void {
    this.isLive = false;
    this.env.clearTimeout(this.#late);
    this.#calls.lost(this.#token !== null);
    this.#become(this.#state);
  }

  /** What came does not fit: at once again from where it was good (views.md §12.5). */
  #recover(): void {
    this.#isRecovering = true;
    this.#failures += 1;
    this.#ports.room.uplink.rejoin(this.#topic, this.#token === null ? {} : { keep: true });
  }

  /** What is shown stays, and looks as ever: `report` hears that it is of the past. A first join has who waits for it. */
  #refused(error: HoldfastError, report?: (error: unknown) => void): void {
    if (!this.#wasLive) return this.#end('failed', error);
    this.#stop('failed', error);
    report?.(error);
  }

  /** Where the connection was given up, so is the mount, until that is tried again. */
  #connected(): void {
    const { connection, error } = this.#ports.room.connection.get();
    if (error !== undefined) this.#refused(error);
    // Over another connection it is asked for again; one that is only doubted may go on.
    else if (underWay.has(connection) && this.#isGivenUp) this.#become(this.#state);
  }

  #end(state: 'failed' | 'unmounted', error: HoldfastError): void {
    const { root, room, ended } = this.#ports;
    room.uplink.leave(this.#topic);
    this.#isEnded = true;
    root.mount = null;
    this.#stop(state, error);
    this.ready.reject(error);
    this.revalidated.reject(error);
    ended();
    root.changed();
    root.settle();
  }

  /** Nothing that was asked of it is answered. */
  #stop(state: 'failed' | 'unmounted', error: HoldfastError): void {
    // Also for an upload of it, whose channel ends after it.
    this.isLive = false;
    this.env.clearTimeout(this.#late);
    if (state === 'failed') this.#error = error;
    this.#become(state);
    this.#calls.close(error);
    this.#params.fail(error);
    this.#keeper?.flush(error);
  }

  #endLayer(id: string, ok: { readonly version: number | null } | null): void {
    if (ok === null) {
      this.mirror.dropLayer(id);
    } else {
      this.mirror.answerLayer(id, ok.version);
      if (this.capver === 0) this.env.setTimeout(() => this.#endLayer(id, null), settleMs);
    }
    if (!this.#isEnded) this.changed();
  }

  #become(state: ViewHealth['state']): void {
    const { room, root } = this.#ports;
    const before = root.health.get();
    const since = before.state === state ? before.since : this.env.wall();
    root.health.set({
      state,
      since,
      attempts: this.#attempts,
      ...(this.#error !== undefined && { error: this.#error }),
      ...(this.#token !== null && { instance: this.#token }),
    });
    room.activity.notify();
  }
}

const errorOf = (view: string, { code, details }: Refusal): RejectedError =>
  new RejectedError(code, { view, ...details });
