import { applyPatch } from '@holdfast/engine/data';
import {
  CommandLedger,
  Instance,
  type InstanceConfig,
  type InstanceEffect,
  type InstanceInput,
  type InstancePorts,
  type Tail,
  type ViewDefinition,
} from '@holdfast/engine/view';
import type { Json } from '@holdfast/protocol';
import { type ViewEvent, viewLimits } from '@holdfast/protocol/views';
import { create } from 'mutative';
import { expect } from 'vitest';
import { settle } from '../virtual-clock.ts';
import { TestStores } from './test-stores.ts';

type Effect<T extends InstanceEffect['type']> = Extract<InstanceEffect, { readonly type: T }>;

/** What a test gives an instance beside the view. */
export type RigOptions = Partial<Omit<InstanceConfig, 'view' | 'limits'>> & {
  readonly limits?: Partial<InstanceConfig['limits']>;
};

/** An instance with a clock, stores and clients of its own; nothing is real, everything runs in the test's time. */
export class Rig {
  readonly effects: InstanceEffect[] = [];
  readonly stores = new TestStores();
  readonly clients = new Map<number, ViewClient>();
  readonly instance: Instance;
  /** Set before the instance gets to hear of it, in tests of what the host does within an effect. */
  onEffect: (effect: InstanceEffect) => void = () => undefined;
  #now = 0;
  #ids = 0;
  #tickets = 0;
  #wakeAt = Infinity;
  #isTurnAsked = false;
  readonly #answers = new Map<number, (reply: Effect<'reply'>) => void>();

  constructor(view: ViewDefinition, options: RigOptions = {}) {
    const { limits, ...rest } = options;
    const ports: InstancePorts = {
      now: () => this.#now,
      id: () => String((this.#ids += 1)),
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- drafts are typed by authors, not here
      produce: (base, recipe) => create(base as object, (draft) => recipe(draft) as undefined),
      perform: (effect) => this.#perform(effect),
      store: (name, _, access) => this.stores.open(name, access),
      uploads: {
        admits: (_, bytes) => bytes < 1_000_000,
        token: (ref) => `token of ${ref}`,
        file: (ref) => ({ ref }),
      },
    };
    const config = { id: 'main', params: {}, principal: { subject: 'ann' }, ...rest };
    this.instance = new Instance({ ...config, view, limits: { ...viewLimits, ...limits } }, ports);
  }

  get now(): number {
    return this.#now;
  }

  of<T extends InstanceEffect['type']>(type: T): Effect<T>[] {
    return this.effects.filter((effect): effect is Effect<T> => effect.type === type);
  }

  step(input: InstanceInput): void {
    this.instance.step(input);
  }

  /** Starts it and lets one client in, if it comes to that. */
  async open(client: Partial<ClientOptions> = {}): Promise<ViewClient> {
    this.step({ type: 'start' });
    await this.settle();
    return this.join(client);
  }

  async join(options: Partial<ClientOptions> = {}): Promise<ViewClient> {
    const client = this.attach(options);
    await this.settle();
    return client;
  }

  attach(options: Partial<ClientOptions> = {}): ViewClient {
    const id = options.id ?? this.clients.size + 1;
    const { capver4 = true, principal = { subject: 'ann' }, resume = null } = options;
    const client = this.clients.get(id) ?? new ViewClient(this, id, capver4);
    client.isConnected = true;
    this.clients.set(id, client);
    this.step({ type: 'attach', subscriber: id, capver4, principal, resume });
    return client;
  }

  /** Lets everything happen that waits for nothing but the end of a turn. */
  async settle(): Promise<void> {
    for (let turns = 0; turns < 50; turns++) {
      // oxlint-disable-next-line no-await-in-loop -- one turn after the other is what is being played
      await settle();
      if (!this.#isTurnAsked) return;
      this.#isTurnAsked = false;
      this.step({ type: 'turn' });
    }
    throw new Error('it does not come to rest');
  }

  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await this.settle();
    while (this.#wakeAt <= until) {
      this.#now = Math.max(this.#now, this.#wakeAt);
      this.#wakeAt = Infinity;
      this.step({ type: 'wake' });
      // oxlint-disable-next-line no-await-in-loop -- as above
      await this.settle();
    }
    this.#now = until;
  }

  ticket(answer: (reply: Effect<'reply'>) => void): number {
    this.#tickets++;
    this.#answers.set(this.#tickets, answer);
    return this.#tickets;
  }

  #perform(effect: InstanceEffect): void {
    this.effects.push(effect);
    if (effect.type === 'turn') this.#isTurnAsked = true;
    if (effect.type === 'wake') this.#wakeAt = effect.at;
    if (effect.type === 'reply') {
      this.#answers.get(effect.ticket)?.(effect);
      this.#answers.delete(effect.ticket);
    }
    if (effect.type === 'send') {
      for (const id of effect.to) this.clients.get(id)?.hear(effect);
    }
    this.onEffect(effect);
  }
}

export type ClientOptions = {
  readonly id: number;
  readonly capver4: boolean;
  readonly principal: unknown;
  readonly resume: number | null;
};

export type Heard = { readonly base: number; readonly version: number; readonly tail: Tail };

/** A client as plain as can be: it applies what it is sent, and holds every envelope against the rules (views.md §5.2). */
export class ViewClient {
  readonly id: number;
  readonly heard: Heard[] = [];
  readonly events: ViewEvent[] = [];
  readonly streams = new Map<string, { key: string; item: Json }[]>();
  readonly ledger = new CommandLedger(viewLimits);
  tree: Json = null;
  version = 0;
  isConnected = true;
  readonly #rig: Rig;
  readonly #capver4: boolean;

  constructor(rig: Rig, id: number, capver4: boolean) {
    this.#rig = rig;
    this.id = id;
    this.#capver4 = capver4;
  }

  get last(): Heard | undefined {
    return this.heard.at(-1);
  }

  hear(heard: Heard): void {
    const { base, version, tail } = heard;
    const { ops } = tail.content;
    const kind = this.#kindOf(heard);
    expect(kind, `${this.version}: ${base} → ${version}`).not.toBe('gap');
    if (kind === 'full' && this.heard.length === 0) this.streams.clear();
    if (kind !== 'full') expect(Object.values(tail.content).flat()).not.toEqual([]);
    this.version = version;
    this.heard.push(heard);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a patch that does not fit fails the test below
    this.tree = applyPatch(this.tree, ops) as Json;
    this.#applyStreams(tail);
    this.events.push(...tail.content.events);
    // What it is sent of the past is not what is.
    const isPast = this.#capver4 && version < this.#rig.instance.describe().version;
    if (kind !== 'private' && !isPast) expect(this.tree).toEqual(this.#rig.instance.tree);
  }

  #kindOf({ base, version, tail }: Heard): 'next' | 'full' | 'private' | 'gap' {
    if (base === 0 && isWhole(tail) && (this.#capver4 || version === 1)) return 'full';
    if (base === this.version && version === base + 1) return 'next';
    const isPrivate = this.#capver4 && base === version && version === this.version;
    return isPrivate && isSilent(tail) ? 'private' : 'gap';
  }

  #applyStreams({ content }: Tail): void {
    for (const op of content.stream_ops) {
      const key = `${JSON.stringify(op.store_id)} ${op.stream}`;
      const list = (this.streams.get(key) ?? []).filter(
        (held) => op.op !== 'reset' && held.key !== op.item_key,
      );
      this.streams.set(key, list);
      if (op.op !== 'insert') continue;
      const index = op.at === -1 ? list.length : Math.min(Math.max(op.at, 0), list.length);
      list.splice(index, 0, { key: op.item_key, item: op.item });
      const over = op.limit === null ? 0 : Math.max(0, list.length - Math.abs(op.limit));
      list.splice(op.at === 0 ? list.length - over : 0, over);
    }
  }

  /** The items of a stream of a node. */
  items(name: string, storeId: readonly string[] = []): Json[] {
    return (this.streams.get(`${JSON.stringify(storeId)} ${name}`) ?? []).map(({ item }) => item);
  }

  /** Sends a command; the promise is its reply. */
  send(name: string, payload: unknown = {}, more: CommandOptions = {}): Promise<Effect<'reply'>> {
    const { storeId = [], opId = null, ledger = this.ledger } = more;
    return new Promise((resolve) => {
      const ticket = this.#rig.ticket(resolve);
      const command = { store_id: storeId, name, payload, client_op_id: opId };
      this.#rig.step({ type: 'command', ticket, subscriber: this.id, command, ledger });
    });
  }

  /** Sends a command and lets everything happen that follows from it. */
  async dispatch(name: string, payload: unknown = {}, more: CommandOptions = {}): Promise<unknown> {
    const sent = this.send(name, payload, more);
    await this.#rig.settle();
    const { status, response } = await sent;
    return status === 'ok' ? response : { error: response };
  }

  leave(keep = false): void {
    this.isConnected = false;
    this.#rig.step({ type: 'detach', subscriber: this.id, keep });
  }
}

export type CommandOptions = {
  readonly storeId?: readonly string[];
  readonly opId?: string | null;
  readonly ledger?: CommandLedger | null;
};

function isWhole({ content }: Tail): boolean {
  const [first, second] = content.ops;
  return second === undefined && first?.op === 'replace' && first.path === '';
}

function isSilent({ content }: Tail): boolean {
  return content.ops.length + content.stream_ops.length === 0;
}

/** Keeps somebody waiting until it is opened. */
export class Gate {
  readonly opened: Promise<void>;
  open: () => void = () => undefined;

  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}
