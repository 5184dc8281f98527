import { HoldfastError, type RecordRef } from '@holdfast/protocol';
import { type Envelope, type HandshakeRequest, isHandshakeAnswer } from '@holdfast/protocol/record';
import {
  Answered,
  Beat,
  type Have,
  Reconciler,
  type ReconcilerEffect,
  type ReconcilerInput,
  type SyncTransport,
} from '@holdfast/engine/record';
import { alarm, type Deferred, deferred } from '@holdfast/engine/registry';
import type { Delivery, DeliveryDesk, RecordEntry } from './delivery.ts';
import { idleState } from './idle.ts';
import { noStats } from './reading.ts';
import type { RecordState, RecordStats } from './types.ts';

export {
  type BusCodec,
  type BusConnection,
  envelopeCodec,
  type EnvelopeStream,
  InProcessTransport,
  type Isolation,
  natsBus,
  type NatsConnectionLike,
  NatsTransport,
  streamTransport,
  type SyncTransport,
  type TransportOptions,
  type TransportProblem,
} from '@holdfast/engine/record';

/** Where a snapshot of one record can be had, for transports that cannot be asked. */
export type Refetch = (
  key: string,
  options: {
    readonly signal: AbortSignal;
    readonly have?: { readonly incarnation: string | null; readonly sequence: number };
  },
) => Promise<Envelope | null>;

/** How records come by a transport. */
export type TransportDelivery = {
  readonly transport: SyncTransport;
  /** Default: nobody is asked, where the transport has no handshake. */
  readonly refetch?: Refetch;
  /** What a record begins with, such as what a server rendered. */
  readonly seed?: (key: string) => Envelope | undefined;
};

/** Has records come by a transport, and not by the client's stores (records.md §7): `records([…], { delivery: byTransport(…) })`. */
export function byTransport(options: TransportDelivery): Delivery {
  return { entry: (ref, desk) => new TransportEntry(ref, options, desk) };
}

/** Who waits; `isNeeding` is for something to show. */
type Waiting = {
  readonly isOver: () => boolean;
  readonly isNeeding: boolean;
  readonly done: Deferred<void>;
};

/** What is known of the server before anything is. */
const nothing = { value: undefined, incarnation: null, schemaVersion: null, source: null } as const;

type Input = ReconcilerInput extends infer Each
  ? Each extends ReconcilerInput
    ? Omit<Each, 'now'>
    : never
  : never;

/** A record that comes by envelopes: one queue of what happens to it, each step whole before anybody is told (records.md §6.2). */
class TransportEntry implements RecordEntry {
  readonly ref: RecordRef;
  readonly isBusy = false;
  readonly stats: RecordStats = noStats();
  readonly value: Beat<unknown>;
  readonly state: Beat<RecordState<unknown>>;
  readonly #options: TransportDelivery;
  readonly #desk: DeliveryDesk;
  readonly #setAlarm: (at: number) => void;
  readonly #requests = new Map<number, AbortController>();
  #reconciler: Reconciler | null = null;
  #releases: (() => void)[] = [];
  #inputs: Input[] = [];
  #isStepping = false;
  #waiting: Waiting[] = [];

  constructor(ref: RecordRef, options: TransportDelivery, desk: DeliveryDesk) {
    this.ref = ref;
    this.#options = options;
    this.#desk = desk;
    this.#setAlarm = alarm(desk.env, () => this.#step({ type: 'tick' }));
    const report = (error: unknown): void => {
      this.stats.listenerErrors += 1;
      desk.report(error);
    };
    this.value = new Beat<unknown>(undefined, report);
    this.state = new Beat<RecordState<unknown>>(idleState, report);
  }

  get key(): string {
    return this.ref.key;
  }

  /** Subscribes first, so that nothing is missed between what it begins with and what comes. */
  open(): void {
    const { transport, refetch, seed } = this.#options;
    this.#reconciler = new Reconciler({
      def: this.ref.record,
      stats: this.stats,
      random: () => this.#desk.env.random(),
      canAsk: transport.handshake !== undefined || refetch !== undefined,
      asksFirst: transport.handshake !== undefined,
    });
    try {
      const subscribed = transport.subscribe(this.key, (message) => this.#hear(message));
      this.#releases.push(subscribed);
      subscribed.ready.catch(this.#desk.report);
      this.#releases.push(transport.onReconnect(() => this.#step({ type: 'reconnected' })));
      this.#releases.push(transport.status.subscribe(() => this.#show()));
      const message = seed?.(this.key);
      if (message !== undefined) this.#step({ type: 'envelope', source: 'seed', message });
      this.#step({ type: 'start' });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    for (const release of this.#releases) release();
    this.#releases = [];
    this.#setAlarm(Infinity);
    this.#desk.closed(this);
    this.#step({ type: 'close' });
  }

  ready(): Promise<void> {
    const isOver = (): boolean => !['idle', 'loading'].includes(this.state.get().status);
    return this.#until({ isOver, isNeeding: true, done: deferred<void>() });
  }

  whenIdle(): Promise<void> {
    const isOver = (): boolean => this.#reconciler?.isIdle !== false;
    return this.#until({ isOver, isNeeding: false, done: deferred<void>() });
  }

  retry(): void {
    this.#step({ type: 'retry' });
  }

  write(): never {
    throw new HoldfastError('read_only', { key: this.key });
  }

  #until(waiting: Waiting): Promise<void> {
    this.#waiting.push(waiting);
    this.#settle();
    return waiting.done.promise;
  }

  #settle(): void {
    const { status, error } = this.state.get();
    const isLost = status === 'denied' || status === 'closed';
    const over = this.#waiting.filter(({ isOver }) => isOver());
    this.#waiting = this.#waiting.filter((each) => !over.includes(each));
    for (const { done, isNeeding } of over) {
      if (isLost && isNeeding) done.reject(error ?? new HoldfastError(status));
      else done.resolve();
    }
  }

  #hear(message: unknown): void {
    if (message instanceof Answered) this.#step({ type: 'told', answer: message.answer });
    else this.#step({ type: 'envelope', source: 'receipt', message });
  }

  /** What is caused from within comes after. */
  #step(input: Input): void {
    this.#inputs.push(input);
    if (this.#isStepping) return;
    this.#isStepping = true;
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      const now = this.#desk.env.now();
      for (const effect of this.#reconciler?.step({ ...next, now }) ?? []) this.#perform(effect);
      this.#show();
    }
    this.#isStepping = false;
  }

  #perform(effect: ReconcilerEffect): void {
    switch (effect.type) {
      case 'request':
        void this.#request(effect.run, effect.have);
        break;
      case 'abort':
        this.#requests.get(effect.run)?.abort();
        this.#requests.delete(effect.run);
        break;
      case 'wake':
        this.#setAlarm(effect.at ?? Infinity);
        break;
      case 'report':
        this.#desk.report(effect.error);
        break;
      case 'skewed': {
        const { name, version } = this.ref.record;
        this.#desk.skewed({ record: name, client: version, server: effect.server });
        break;
      }
      case 'persist':
        // Nothing is kept of it but by who renders.
        break;
    }
  }

  async #request(run: number, have: Have | null): Promise<void> {
    const controller = new AbortController();
    this.#requests.set(run, controller);
    try {
      this.#step(await this.#ask(run, have, controller.signal));
    } catch (error) {
      this.#step({ type: 'failed', run, error });
    }
    this.#requests.delete(run);
  }

  async #ask(run: number, have: Have | null, signal: AbortSignal): Promise<Input> {
    const { transport, refetch } = this.#options;
    if (transport.handshake === undefined) {
      const options = have === null ? { signal } : { signal, have };
      return { type: 'fetched', run, message: (await refetch?.(this.key, options)) ?? null };
    }
    const answers: readonly unknown[] = await transport.handshake([this.#question(have)], {
      signal,
    });
    const answer = answers.filter(isHandshakeAnswer).find(({ key }) => key === this.key);
    if (answer !== undefined) return { type: 'answer', run, answer };
    throw new HoldfastError('unavailable', { key: this.key });
  }

  #question(have: Have | null): HandshakeRequest {
    const { key, params, record } = this.ref;
    const { incarnation = null, sequence, schemaVersion } = have ?? {};
    return {
      key,
      record: record.name,
      params: { ...params },
      client_version: record.version,
      ...(incarnation !== null && { incarnation }),
      ...(sequence !== undefined && { sequence }),
      ...(schemaVersion !== undefined && { schema_version: schemaVersion }),
    };
  }

  #show(): void {
    const reconciler = this.#reconciler;
    if (reconciler === null) return;
    const before = this.state.get();
    const { status, error, serverVersion } = reconciler;
    const { value: known, ...server } = reconciler.server ?? {
      ...nothing,
      sequence: before.sequence,
    };
    const value = status === 'denied' ? undefined : known;
    const now = this.#desk.env.wall();
    this.#settleWith(before, {
      ...idleState,
      value,
      status,
      sequence: server.sequence,
      incarnation: server.incarnation,
      schemaVersion: server.schemaVersion,
      ...(serverVersion !== null && { serverSchemaVersion: serverVersion }),
      connected: this.#options.transport.status.get() === 'open',
      ...(error !== undefined && { error }),
      updatedAt: Object.is(value, before.value) ? before.updatedAt : now,
      lastSyncedAt: server.sequence === before.sequence ? before.lastSyncedAt : now,
      source: server.source,
    });
  }

  #settleWith(before: RecordState<unknown>, next: RecordState<unknown>): void {
    const names = new Set([...Object.keys(before), ...Object.keys(next)]);
    const isSame = [...names].every((name) =>
      Object.is(Reflect.get(before, name), Reflect.get(next, name)),
    );
    if (!isSame) {
      this.value.put(next.value);
      this.state.put(Object.freeze(next));
    }
    this.#settle();
    this.value.tell();
    this.state.tell();
  }
}
