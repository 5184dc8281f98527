import {
  asGlob,
  asPath,
  defaultLimits,
  isRefusal,
  parseGlob,
  type Pattern,
} from '@holdfast/protocol';
import { Queries, Replica, type ReplicaEffect, type ReplicaInput } from '@holdfast/engine/replica';
import { joinReply } from './desk.ts';

type Wish = ReplicaInput extends infer Input
  ? Input extends ReplicaInput
    ? Omit<Input, 'now' | 'wall'>
    : never
  : never;

export const glob = (text: string): Pattern => {
  const pattern = parseGlob(text);
  if (isRefusal(pattern)) throw new Error(text);
  return pattern;
};

export const joined: object = {
  ...joinReply(4),
  incarnation: 'i1',
  scope: 's1',
  patterns: ['meta/**'],
  limits: defaultLimits,
};

/** A replica with queries, and a server that says what the test says. */
export class Desk {
  readonly replica: Replica;
  readonly queries: ReturnType<Replica['follow']>;
  readonly pushed: Extract<ReplicaEffect, { readonly type: 'push' }>[] = [];
  rejoins = 0;
  wakes: (number | null)[] = [];
  now = 0;

  constructor(patterns: readonly string[] = ['meta/**']) {
    this.replica = new Replica({
      topic: 'store:a/b',
      patterns: patterns.map(asGlob),
      deviceId: 'd',
      limits: defaultLimits,
      random: () => 0.5,
    });
    this.queries = this.replica.follow(Queries);
  }

  step(input: Wish): void {
    for (const effect of this.replica.step({ ...input, now: this.now, wall: 0 })) {
      if (effect.type === 'push') this.pushed.push(effect);
      if (effect.type === 'rejoin') this.rejoins += 1;
      if (effect.type === 'wake') this.wakes.push(effect.at);
    }
  }

  say(event: string, payload: object): void {
    this.step({ type: 'message', event, payload });
  }

  join(seq: number, more: object = {}): void {
    const response = { ...joined, store_seq: seq, ...more };
    this.step({ type: 'joined', response });
    this.events(0, seq, []);
    this.say('catch_up_complete', { through_seq: seq });
  }

  open(within = 'tasks/*/**'): string {
    const ask = { key: within, record: 'task', spec: {}, within: glob(within) };
    const sub = this.queries.open(ask, () => undefined);
    this.step({ type: 'tick' });
    return sub;
  }

  delta(sub: string, at: number, more: object): void {
    const none = { entries: [], maps: [], has_more: false, end_cursor: null };
    this.say('query_delta', { sub, at, ...none, ...more });
  }

  events(from: number, to: number, ops: readonly (readonly [number, string, unknown])[]): void {
    const tuples = ops.map(([seq, path, value]) => [seq, 'set', path, value, 'x', `x:s:${seq}`]);
    this.say('events', { from_seq: from, to_seq: to, ops: tuples });
  }

  last(event: string): object | undefined {
    return this.pushed.findLast((push) => push.event === event)?.payload;
  }

  value(path: string): unknown {
    return this.replica.entry(asPath(path))?.value;
  }
}

export const row = (id: string, title: string, seq: number): readonly unknown[] => [
  `tasks/${id}/title`,
  title,
  'string',
  seq,
];
