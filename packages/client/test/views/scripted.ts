import { type Client, type ClientOptions, createClient } from '@holdfast/client';
import { memoryLink, type MemoryPeer } from '@holdfast/client/link/memory';
import { views, type ViewsOptions } from '@holdfast/client/views';
import { VirtualClock, settle } from '../../../engine/test/virtual-clock.ts';

/** A frame as the server sees it. */
export type Sent = {
  readonly joinRef: string | null;
  readonly ref: string | null;
  readonly topic: string;
  readonly event: string;
  readonly payload: { readonly [name: string]: unknown };
};

export const module = 'App.Board';
export const rootId = `${module}:main`;
export const topic = `musubi:connection:${rootId}`;

/** A server whose every word the test says, and the client that it speaks to. */
export class Scripted implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly errors: unknown[] = [];
  readonly urls: string[] = [];
  readonly client: Client;
  /** Frames that nobody has looked at, heartbeats left out. */
  readonly sent: Sent[] = [];
  readonly bytes: Uint8Array[] = [];
  isRefusing = false;
  /** The platform says something of the network. */
  hint: (hint: 'online' | 'offline' | 'woke') => void = () => undefined;
  /** The connection has died, and nobody was told. */
  isDead = false;
  #peer: MemoryPeer | null = null;
  #joinRefs = new Map<string, string>();

  constructor(options: ViewsOptions = {}, more: Partial<ClientOptions> = {}) {
    const link = memoryLink((peer, url) => {
      this.urls.push(url);
      if (this.isRefusing) return null;
      this.#peer = peer;
      this.isDead = false;
      return { received: (data) => this.#receive(data) };
    });
    this.client = createClient({
      url: 'ws://example.org',
      token: 'secret',
      link,
      views: views(options),
      onError: (error) => this.errors.push(error),
      env: {
        now: this.clock.now,
        wall: this.clock.now,
        setTimeout: this.clock.setTimeout,
        clearTimeout: this.clock.clearTimeout,
        random: () => 0.5,
        watchNetwork: (hear) => {
          this.hint = hear;
          return () => undefined;
        },
        dev: true,
      },
      ...more,
    });
  }

  /** The next frame, of this event if one is given. */
  async next(event?: string): Promise<Sent> {
    await settle();
    const frame = this.sent.shift();
    if (frame === undefined) throw new Error(`nothing was sent, expected ${event ?? 'something'}`);
    if (event !== undefined && frame.event !== event) {
      throw new Error(`${frame.event} was sent, expected ${event}`);
    }
    return frame;
  }

  /** Answers a frame. */
  async reply(to: Sent, response: object = {}, rest: object = {}): Promise<void> {
    this.say([to.joinRef, to.ref, to.topic, 'phx_reply', { status: 'ok', response, ...rest }]);
    await settle();
  }

  async refuse(to: Sent, response: object): Promise<void> {
    this.say([to.joinRef, to.ref, to.topic, 'phx_reply', { status: 'error', response }]);
    await settle();
  }

  /** Takes the join that was sent, as a capver 4 server. */
  async accept(rest: object = {}): Promise<Sent> {
    const join = await this.next('phx_join');
    const reply = { root_id: join.topic.replace('musubi:connection:', ''), capver: 4, version: 1 };
    await this.reply(join, { ...reply, ...rest });
    return join;
  }

  /** Sends an envelope. */
  async patch(from: number, to: number, rest: object = {}, on = topic): Promise<void> {
    await this.event(
      'patch',
      envelope(from, to, { root_id: on.replace('musubi:connection:', ''), ...rest }),
      on,
    );
  }

  /** Sends the first envelope of a mount. */
  async show(tree: unknown, to = 1, on = topic): Promise<void> {
    await this.patch(0, to, { ops: [{ op: 'replace', path: '', value: tree }] }, on);
  }

  /** Pushes an event in the present life of a channel. */
  async event(name: string, payload: object, on = topic): Promise<void> {
    this.say([this.#joinRefs.get(on) ?? null, null, on, name, payload]);
    await settle();
  }

  /** Ends a channel from the server's side. */
  async end(event: 'phx_close' | 'phx_error', on = topic): Promise<void> {
    const joinRef = this.#joinRefs.get(on) ?? null;
    this.say([joinRef, joinRef, on, event, {}]);
    await settle();
  }

  say(frame: readonly unknown[]): void {
    this.#peer?.send(JSON.stringify(frame));
  }

  /** The connection breaks. */
  async cut(code = 1006): Promise<void> {
    this.#peer?.close(code);
    this.#peer = null;
    await settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }

  #receive(data: string | Uint8Array): void {
    if (this.isDead) return;
    if (typeof data !== 'string') {
      this.bytes.push(data);
      return;
    }
    const [joinRef, ref, on, event, payload] = JSON.parse(data) as [
      string,
      string,
      string,
      string,
      {},
    ];
    if (event === 'heartbeat') {
      this.say([null, ref, 'phoenix', 'phx_reply', { status: 'ok', response: {} }]);
      return;
    }
    if (event === 'phx_join') this.#joinRefs.set(on, joinRef);
    this.sent.push({ joinRef, ref, topic: on, event, payload });
  }
}

/** The payload of a `patch`. */
export function envelope(from: number, to: number, rest: object = {}): object {
  return {
    type: 'patch',
    root_id: rootId,
    base_version: from,
    version: to,
    ops: [],
    stream_ops: [],
    upload_ops: [],
    events: [],
    ...rest,
  };
}

/** A node of the wire tree. */
export function node(id: readonly string[], members: object = {}): object {
  return { __musubi_store_id__: id, ...members };
}
