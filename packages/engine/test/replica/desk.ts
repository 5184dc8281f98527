import {
  asGlob,
  asPath,
  defaultLimits,
  isRefusal,
  type Json,
  type OpId,
  type OpName,
  parseGlob,
  type Path,
  type Pattern,
  type Request,
} from '@holdfast/protocol';
import {
  type Outcome,
  Replica,
  type ReplicaConfig,
  type ReplicaEffect,
  type ReplicaInput,
  type ReplicaStatus,
  type WatchEvent,
  type WatchOptions,
} from '@holdfast/engine/replica';

/** An op in an `events` frame: seq, op, path, value, and who wrote it. */
export type Row = readonly [number, OpName, string, Json, string?, string?, number?];

type Distributed<T> = T extends unknown ? Omit<T, 'now' | 'wall'> : never;

/** A replica on a test's desk: the test plays session, server and clock, with literal frames. */
export class Desk {
  readonly replica: Replica;
  now = 1000;
  readonly effects: ReplicaEffect[] = [];
  readonly settled = new Map<OpId, Outcome[]>();
  readonly heard = new Map<number, WatchEvent[]>();
  readonly batches: { readonly subscription: number; readonly size: number }[] = [];
  readonly dropped: number[] = [];
  readonly told: ReplicaStatus[] = [];
  pushes: Extract<ReplicaEffect, { type: 'push' }>[] = [];
  rejoins = 0;
  wakeAt: number | null = null;

  constructor(config: Partial<ReplicaConfig> = {}) {
    this.replica = new Replica({
      topic: 'store:acme/app',
      patterns: [asGlob('**')],
      deviceId: 'me',
      limits: defaultLimits,
      random: () => 0,
      ...config,
    });
  }

  step(input: Distributed<ReplicaInput>): readonly ReplicaEffect[] {
    const effects = this.replica.step({ ...input, now: this.now, wall: this.now });
    for (const effect of effects) this.#note(effect);
    return effects;
  }

  #note(effect: ReplicaEffect): void {
    this.effects.push(effect);
    if (effect.type === 'push') this.pushes.push(effect);
    if (effect.type === 'rejoin') this.rejoins++;
    if (effect.type === 'wake') this.wakeAt = effect.at;
    if (effect.type === 'dropped') this.dropped.push(effect.subscription);
    if (effect.type === 'status') this.told.push(effect.status);
    if (effect.type === 'settled') {
      this.settled.set(effect.opId, [...(this.settled.get(effect.opId) ?? []), effect.outcome]);
    }
    if (effect.type === 'notify') {
      const { subscription, events } = effect;
      this.batches.push({ subscription, size: events.length });
      this.heard.set(subscription, [...(this.heard.get(subscription) ?? []), ...events]);
    }
  }

  /** Joins, by default a store where nothing is missing. */
  join(reply: object = {}): readonly ReplicaEffect[] {
    return this.step({
      type: 'joined',
      response: { ...joinReply(this.replica.status().seq), server_time: this.now, ...reply },
    });
  }

  /** Joins and is caught up. */
  live(seq = this.replica.status().seq): this {
    this.join({ store_seq: seq });
    this.message('catch_up_complete', { through_seq: seq });
    return this;
  }

  message(event: string, payload: unknown): readonly ReplicaEffect[] {
    return this.step({ type: 'message', event, payload });
  }

  messages(frames: readonly (readonly [string, unknown])[]): void {
    for (const [event, payload] of frames) this.message(event, payload);
  }

  /** One frame of ops; the range is that of the ops unless told. */
  events(rows: readonly Row[], range: readonly [number, number] | null = null): void {
    const from = range?.[0] ?? (rows[0]?.[0] ?? 1) - 1;
    const to = range?.[1] ?? rows.at(-1)?.[0] ?? from;
    const ops = rows.map(([seq, op, at, value, deviceId = 'they', opId = `they:${seq}`, ...tx]) => [
      seq,
      op,
      at,
      value,
      deviceId,
      opId,
      ...tx,
    ]);
    this.message('events', { from_seq: from, to_seq: to, ops });
  }

  ask(opId: OpId, request: Request, blind = false): void {
    this.step({ type: 'request', opId, request, blind });
  }

  set(opId: OpId, at: string, value: Json): void {
    this.ask(opId, { op: 'set', path: path(at), value });
  }

  ok(id: OpId, response: object): void {
    this.step({ type: 'reply', id, status: 'ok', response });
  }

  refuse(id: OpId, reason: string, details: object = {}): void {
    this.step({ type: 'reply', id, status: 'error', response: { ...details, reason } });
  }

  watch(glob: string, options: Partial<WatchOptions> = {}): number {
    return this.replica.subscribe(pattern(glob), {
      mode: 'all',
      includeCurrent: false,
      maxQueue: 1000,
      delivery: { policy: 'every' },
      ...options,
    });
  }

  /** Rounds of delivery until nothing is left that may go out now; what a subscription has heard since the last time. */
  deliver(subscription = 1): readonly WatchEvent[] {
    this.heard.clear();
    for (let rounds = 0; rounds < 1000; rounds++) {
      const effects = this.step({ type: 'deliver' });
      if (!effects.some(({ type }) => type === 'deliverable')) break;
    }
    return this.heard.get(subscription) ?? [];
  }

  value(at: string): Json | undefined {
    return this.replica.entry(path(at))?.value;
  }

  outcome(opId: OpId): Outcome | undefined {
    return this.settled.get(opId)?.[0];
  }

  /** The code of the refusal that settled a request. */
  refusalOf(opId: OpId): string | null {
    const outcome = this.outcome(opId);
    return outcome?.status === 'refused' ? outcome.refusal.code : null;
  }

  /** Ids pushed since the last time. */
  takePushed(): readonly OpId[] {
    const ids = this.pushes.map(({ id }) => id);
    this.pushes = [];
    return ids;
  }

  /** Ids of the outbox with where they stand. */
  outbox(): readonly string[] {
    return this.replica.outbox().map(({ opId, status }) => `${opId} ${status.state}`);
  }
}

export function joinReply(seq: number): object {
  return {
    store_seq: seq,
    capver: 4,
    capver_min: 3,
    permissions: { read: true, write: true },
    scopes: [],
    store_access: { mode: 'all', store_ids: [] },
    incarnation: 'first',
    scope: 'whole',
    patterns: null,
    sync: 'tail',
    why: null,
    oldest_seq: 1,
    dedupe_since: 0,
    server_time: 0,
    expires_at: null,
    limits: {},
  };
}

export function pattern(glob: string): Pattern {
  const parsed = parseGlob(glob);
  if (isRefusal(parsed)) throw new TypeError(parsed.code);
  return parsed;
}

export function path(text: string): Path {
  return asPath(text);
}

/** An event in short: path, value, previous, op, seq. */
export function brief({ path: at, value, previous, op, seq }: WatchEvent): readonly unknown[] {
  return [at, value, previous, op, seq];
}
