import {
  type BadFrame,
  CAPVER,
  type Frame,
  frameTuple,
  type HoldfastError,
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
import { type Cell } from './cell.ts';
import { type LinkConnection } from './link/port.ts';
import type { Settings } from './options.ts';
import { Timer } from './timer.ts';

/** The state of a client's one connection (registry.md §11, Network). */
export type ConnectionStatus = {
  readonly connection: 'connecting' | 'connected' | 'reconnecting' | 'offline' | 'closed';
  /** Failed attempts since it last worked. */
  readonly attempts: number;
  /** Why it was given up. */
  readonly error?: HoldfastError;
};

/** Who speaks on a topic. */
export interface Speaker {
  /** The payload of the next join. */
  joinPayload(): object;
  joined(response: unknown): void;
  refused(refusal: Refusal): void;
  lost(): void;
  message(event: string, payload: unknown): void;
  reply(id: string, status: 'ok' | 'error', response: unknown): void;
  /** The state of the connection has changed. */
  connection(status: ConnectionStatus): void;
}

type Wish = DialerInput extends infer Input
  ? Input extends DialerInput
    ? Omit<Input, 'now'>
    : never
  : never;

/** A push as its topic makes it. */
export type UplinkPush = { readonly id: string; readonly event: string; readonly payload: object };

/** Does what the dialer says: the one socket of a client, for all its topics (stores.md §18 C16). */
export class Uplink {
  readonly #settings: Settings;
  readonly #status: Cell<ConnectionStatus>;
  readonly #dialer: Dialer;
  readonly #timer: Timer;
  readonly #speakers = new Map<string, Speaker>();
  /** Topics of the present generation; what is pushed on others is made again after their next join. */
  readonly #joined = new Set<string>();
  readonly #refused = new Set<string>();
  readonly #inputs: Wish[] = [];
  readonly #stopWatching: () => void;
  #connection: { readonly link: number; readonly line: LinkConnection } | null = null;
  #token: string | null = null;
  /** A token that was asked for out of turn, for the next connection. */
  #renewed: string | null = null;
  #probe: AbortController | null = null;
  /** The link that is wanted now; one that opens late is not. */
  #wanted = 0;
  #isStepping = false;
  #isClosed = false;

  constructor(settings: Settings, status: Cell<ConnectionStatus>) {
    const { env } = settings;
    this.#settings = settings;
    this.#status = status;
    this.#dialer = new Dialer({ random: () => env.random(), probeable: true });
    this.#timer = new Timer(env, () => this.#step({ type: 'tick' }));
    this.#step({ type: 'start' });
    this.#stopWatching = env.watchNetwork((hint) => this.#step({ type: hint }));
  }

  /** Tries again at once, also where it was given up. */
  connect(): void {
    this.#step({ type: 'start' });
    this.#step({ type: 'online' });
  }

  join(topic: string, speaker: Speaker): void {
    this.#speakers.set(topic, speaker);
    this.#step({ type: 'join', topic, payload: () => speaker.joinPayload() });
  }

  leave(topic: string): void {
    this.#speakers.delete(topic);
    this.#joined.delete(topic);
    this.#refused.delete(topic);
    this.#step({ type: 'leave', topic });
  }

  rejoin(topic: string): void {
    this.#joined.delete(topic);
    this.#step({ type: 'rejoin', topic });
  }

  push(topic: string, push: UplinkPush): void {
    this.#step({ type: 'push', topic, ...push });
  }

  describe(): DialerView {
    return this.#dialer.describe();
  }

  /** Ends the socket and every timer at once (stores.md §18 C20). */
  close(): void {
    if (this.#isClosed) return;
    this.#stopWatching();
    this.#step({ type: 'stop' });
    this.#isClosed = true;
    this.#wanted = 0;
    this.#timer.set(null);
    this.#probe?.abort();
    this.#speakers.clear();
  }

  /** Inputs are taken one after the other, each with all that it causes. */
  #step(wish: Wish): void {
    if (this.#isClosed) return;
    this.#inputs.push(wish);
    if (this.#isStepping) return;
    this.#isStepping = true;
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      // The topic was lost by something that came before this.
      if (next.type === 'push' && !this.#joined.has(next.topic)) continue;
      const effects = this.#dialer.step({ ...next, now: this.#settings.env.now() });
      this.#note(effects);
      for (const effect of effects) this.#perform(effect);
    }
    this.#isStepping = false;
  }

  /** The machine has come to the end of its step already: what it says of topics holds before it is performed. */
  #note(effects: readonly DialerEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'joined') this.#joined.add(effect.topic);
      else if (effect.type === 'lost' || effect.type === 'refused') {
        this.#joined.delete(effect.topic);
      }
    }
  }

  #perform(effect: DialerEffect): void {
    if ('topic' in effect) {
      this.#tell(effect);
      return;
    }
    switch (effect.type) {
      case 'open':
        this.#wanted = effect.link;
        void this.#open(effect.link);
        break;
      case 'close':
        this.#wanted = 0;
        if (this.#connection?.link === effect.link) this.#connection.line.close(effect.code);
        this.#connection = null;
        break;
      case 'send':
        this.#send(effect.link, effect.frame);
        break;
      case 'probe':
        void this.#ask();
        break;
      case 'renew':
        void this.#renew();
        break;
      case 'wake':
        this.#timer.set(effect.at);
        break;
      case 'connection':
        this.#report(effect);
        break;
    }
  }

  #tell(effect: Extract<DialerEffect, { readonly topic: string }>): void {
    const speaker = this.#speakers.get(effect.topic);
    if (speaker === undefined) return;
    switch (effect.type) {
      case 'joined':
        speaker.joined(effect.response);
        break;
      case 'refused':
        this.#refused.add(effect.topic);
        speaker.refused(effect.refusal);
        break;
      case 'lost':
        speaker.lost();
        break;
      case 'message':
        speaker.message(effect.event, effect.payload);
        break;
      case 'reply':
        speaker.reply(effect.id, effect.status, effect.response);
        break;
    }
  }

  #report(effect: Extract<DialerEffect, { readonly type: 'connection' }>): void {
    const { connection, attempts, refusal } = effect;
    const error = refusal === null ? null : RejectedError.from(refusal);
    const before = this.#status.get().connection;
    this.#status.set({ connection, attempts, ...(error !== null && { error }) });
    if (error !== null) this.#settings.report(error);
    for (const speaker of this.#speakers.values()) speaker.connection(this.#status.get());
    if (connection === 'connected' && before !== 'connected') this.#wishAgain();
  }

  /** What was refused on another connection may be granted on this one. */
  #wishAgain(): void {
    const topics = [...this.#refused];
    this.#refused.clear();
    for (const topic of topics) {
      const speaker = this.#speakers.get(topic);
      if (speaker !== undefined) this.join(topic, speaker);
    }
  }

  async #open(link: number): Promise<void> {
    try {
      const token = this.#renewed ?? (await this.#askToken());
      if (this.#wanted !== link) return;
      this.#renewed = null;
      this.#token = token;
      const line = this.#settings.link.open(this.#urlWith(token), {
        opened: () => this.#step({ type: 'opened', link }),
        received: (data) => this.#step({ type: 'received', link, frame: this.#decode(data) }),
        closed: (code) => this.#closed(link, code),
      });
      this.#connection = { link, line };
    } catch (error) {
      this.#settings.report(error);
      this.#token = null;
      this.#closed(link, 1006);
    }
  }

  #closed(link: number, code: number): void {
    if (this.#connection?.link === link) this.#connection = null;
    this.#step({ type: 'closed', link, code });
  }

  async #askToken(): Promise<string> {
    const { token: source } = this.#settings;
    const token = typeof source === 'string' ? source : await source();
    if (typeof token === 'string' && token !== '') return token;
    throw new TypeError('The token source gave no token: it must give a text that is not empty.');
  }

  async #renew(): Promise<void> {
    if (typeof this.#settings.token === 'string') {
      this.#step({ type: 'token', renewed: false });
      return;
    }
    try {
      this.#renewed = await this.#askToken();
    } catch (error) {
      this.#settings.report(error);
    }
    this.#step({ type: 'token', renewed: this.#renewed !== null });
  }

  /** Asks why an upgrade was refused, which a WebSocket does not tell (stores.md §15.4). */
  async #ask(): Promise<void> {
    this.#probe?.abort();
    const probe = new AbortController();
    this.#probe = probe;
    const verdict =
      this.#token === null ? 'unreachable' : await this.#verdictOn(this.#token, probe);
    if (this.#probe === probe) this.#step({ type: 'probed', verdict });
  }

  async #verdictOn(
    token: string,
    { signal }: AbortController,
  ): Promise<'unauthorized' | 'accepted' | 'unreachable'> {
    const { env, whoami } = this.#settings;
    try {
      const headers = { authorization: `Bearer ${token}` };
      const { status } = await env.fetch(whoami, { headers, signal });
      if (status === 401) return 'unauthorized';
      return status === 200 ? 'accepted' : 'unreachable';
    } catch {
      // No answer is an answer: the network is to blame, not the token.
      return 'unreachable';
    }
  }

  #send(link: number, frame: Frame): void {
    if (this.#connection?.link !== link) return;
    this.#connection.line.send(this.#settings.codec.encode(frameTuple(frame)));
  }

  #decode(data: string | Uint8Array): Frame | BadFrame {
    try {
      return readFrame(this.#settings.codec.decode(data));
    } catch {
      return { kind: 'unreadable' };
    }
  }

  #urlWith(token: string): string {
    const { endpoint, deviceId, codec } = this.#settings;
    const query = new URLSearchParams({
      token,
      device_id: deviceId,
      capver: String(CAPVER),
      vsn: codec.vsn,
    });
    return `${endpoint}?${query.toString()}`;
  }
}
