import {
  type BadFrame,
  CAPVER,
  type Frame,
  frameTuple,
  readFrame,
  type Refusal,
  RejectedError,
} from '@holdfast/protocol';
import {
  Dialer,
  type DialerEffect,
  type DialerInput,
  type DialerView,
} from '@holdfast/engine/session';
import { alarm } from '@holdfast/engine/registry';
import { call, type Cell } from './cell.ts';
import type { ConnectionStatus } from './connection.ts';
import { type LinkConnection } from './link/port.ts';
import { credentialsOf, isWeather } from './link/credentials.ts';
import type { ConnectParams, Settings } from './options.ts';
import { inTurn } from './turns.ts';
import type { Wish } from './wish.ts';

/** What the session says of a topic, and that the state of the connection has changed. */
export type News =
  | Extract<DialerEffect, { readonly topic: string }>
  | { readonly type: 'connection' };

/** Who speaks on a topic. */
export interface Speaker {
  /** The payload of the next join. */
  joinPayload(): object;
  /** Whether a refused join is not to be tried again; default: by the table of refusals. */
  isFinal?(refusal: Refusal): boolean;
  hear(news: News): void;
}

/** A push as its topic makes it. */
export type UplinkPush = {
  readonly id: string;
  readonly event: string;
  readonly payload: object;
  /** The answer may take its time. */
  readonly patient?: boolean;
};

/** Close codes: there was no connection; the token is no good. */
const lost = 1006;
const tokenInvalid = 4001;

/** Does what the dialer says: the one socket of a client, for all its topics (stores.md §18 C16). */
export class Uplink {
  /** The node of the server that a view would go on at, for whoever routes by it (views.md §4.5). */
  node: string | undefined;
  /** Makes a message of a frame; who has frames that the codec does not know wraps it. */
  encode: (frame: Frame) => string | Uint8Array;
  readonly #settings: Settings;
  readonly #status: Cell<ConnectionStatus>;
  readonly #dialer: Dialer;
  readonly #setAlarm: (at: number) => void;
  readonly #speakers = new Map<string, Speaker>();
  /** Inputs are taken one after the other, each with all that it causes. */
  readonly #take: (wish: Wish<DialerInput, 'now'>) => void;
  readonly #stopWatching: () => void;
  #line: LinkConnection | null = null;
  /** The first answer of the source, until a link takes it: one that is late for a link is in time for the next. */
  #answer: Promise<string> | null = null;
  /** The token that was refused last, until one is taken. */
  #refused: string | undefined;
  /** Aborts when the link that is open, or about to be, is not wanted any more. */
  #ended = new AbortController();
  #isClosed = false;

  constructor(settings: Settings, status: Cell<ConnectionStatus>) {
    const { env, codec, report } = settings;
    this.encode = (frame) => codec.encode(frameTuple(frame));
    this.#settings = settings;
    this.#status = status;
    const renewable = typeof settings.token === 'function';
    this.#dialer = new Dialer({ random: () => env.random(), renewable });
    const take = inTurn<Wish<DialerInput, 'now'>>((wish) => {
      for (const effect of this.#dialer.step({ ...wish, now: env.now() })) {
        call(() => this.#perform(effect), report);
      }
    }, report);
    this.#take = (wish) => take([wish]);
    this.#setAlarm = alarm(env, () => this.#step({ type: 'tick' }));
    this.#step({ type: 'start' });
    this.#stopWatching = env.watchNetwork((type) => this.#step({ type }));
  }

  /** Tries again at once, also where it was given up. */
  connect(): void {
    this.#step({ type: 'start' });
    this.#step({ type: 'online' });
  }

  join(topic: string, speaker: Speaker): void {
    this.#speakers.set(topic, speaker);
    // What was refused is asked for again with the next use (records.md §10).
    if (this.#status.get().connection === 'failed') this.#step({ type: 'start' });
    const isFinal = speaker.isFinal?.bind(speaker);
    this.#step({ type: 'join', topic, payload: () => speaker.joinPayload(), isFinal });
  }

  leave(topic: string, leave?: object): void {
    this.#speakers.delete(topic);
    this.#step({ type: 'leave', topic, leave });
  }

  rejoin(topic: string, leave?: object): void {
    this.#step({ type: 'rejoin', topic, leave });
  }

  push(topic: string, push: UplinkPush): void {
    this.#step({ ...push, type: 'push', topic });
  }

  describe(): DialerView {
    return this.#dialer.describe();
  }

  /** Ends the socket and every timer at once (stores.md §18 C20). */
  close(): void {
    this.#stopWatching();
    this.#step({ type: 'stop' });
    this.#isClosed = true;
  }

  #step(wish: Wish<DialerInput, 'now'>): void {
    if (!this.#isClosed) this.#take(wish);
  }

  #perform(effect: DialerEffect): void {
    if ('topic' in effect) this.#speakers.get(effect.topic)?.hear(effect);
    else this.#act(effect);
  }

  #act(effect: Exclude<DialerEffect, { readonly topic: string }>): void {
    switch (effect.type) {
      case 'open':
        this.#line = null;
        this.#ended = new AbortController();
        void this.#open(effect, this.#ended.signal);
        break;
      case 'close':
        this.#ended.abort();
        this.#line?.close(effect.code);
        break;
      case 'send':
        this.#line?.send(this.encode(effect.frame));
        break;
      case 'wake':
        this.#setAlarm(effect.at ?? Infinity);
        break;
      case 'connection':
        this.#report(effect);
        break;
    }
  }

  #report(effect: Extract<DialerEffect, { readonly type: 'connection' }>): void {
    const { connection, attempts, refusal } = effect;
    const error = refusal && RejectedError.from(refusal);
    this.#status.set({ connection, attempts, ...(error !== null && { error }) });
    if (error !== null) this.#settings.report(error);
    for (const speaker of this.#speakers.values()) speaker.hear({ type: 'connection' });
  }

  async #open(
    { link }: Extract<DialerEffect, { readonly type: 'open' }>,
    ended: AbortSignal,
  ): Promise<void> {
    let token = '';
    const closed = (code: number, isFinal = false): void => {
      if (code === tokenInvalid && token !== '') this.#refused = token;
      this.#step({ type: 'closed', link, code, isFinal });
    };
    try {
      const { params } = this.#settings;
      // For another token than one that was refused it is asked once, however long that takes (C18).
      if (this.#refused === undefined || this.#answer === null) {
        const asked = this.#askToken();
        this.#answer = Promise.race([asked, this.#answer ?? asked]);
      }
      token = await this.#answer;
      const given = typeof params === 'function' ? await params() : params;
      if (ended.aborted) return;
      this.#answer = null;
      let isOpen = false;
      this.#line = this.#settings.link.open(this.#urlWith(token, given), {
        opened: () => {
          isOpen = true;
          this.#refused = undefined;
          this.#step({ type: 'opened', link });
        },
        received: (data) => this.#step({ type: 'received', link, frame: this.#decode(data) }),
        closed: (code) => {
          if (isOpen || code === tokenInvalid) closed(code);
          else void this.#explain(code, token, ended).then(closed);
        },
      });
    } catch (error) {
      this.#answer = null;
      this.#settings.report(error);
      // What was refused stays refused where the source has nothing else.
      const isFinal = this.#refused !== undefined && token === '' && !isWeather(error);
      closed(isFinal ? tokenInvalid : lost, isFinal);
    }
  }

  /** Empty: none is needed. */
  async #askToken(): Promise<string> {
    const { token: source, identified } = this.#settings;
    await identified;
    if (source === null) return '';
    const token = typeof source === 'string' ? source : await source(this.#refused);
    if (typeof token === 'string' && token !== '') return token;
    throw new Error('The token source gave no token.');
  }

  /** Asks why an upgrade was refused, which a WebSocket does not tell (stores.md §15.4). */
  async #explain(code: number, token: string, signal: AbortSignal): Promise<number> {
    const { env, whoami } = this.#settings;
    try {
      const { status } = await env.fetch(whoami, { ...credentialsOf(token), signal });
      return status === 401 ? tokenInvalid : code;
    } catch {
      // No answer is an answer: the network is to blame, not the token.
      return code;
    }
  }

  #decode(data: string | Uint8Array): Frame | BadFrame {
    try {
      return readFrame(this.#settings.codec.decode(data));
    } catch {
      return { kind: 'unreadable' };
    }
  }

  #urlWith(token: string, given: ConnectParams | undefined): string {
    const { endpoint, deviceId, codec } = this.#settings;
    const query = new URLSearchParams({
      ...given,
      ...(this.node !== undefined && { node: this.node }),
      ...(token !== '' && { token }),
      device_id: deviceId,
      capver: String(CAPVER),
      vsn: codec.vsn,
    });
    return `${endpoint}?${query.toString()}`;
  }
}
