import {
  Authority,
  type AuthorityConfig,
  type AuthorityEffect,
  type AuthorityEvent,
  type LoggedOp,
  type Submission,
} from '@holdfast/engine/authority';
import {
  asPath,
  defaultLimits,
  isRefusal,
  type Json,
  type Refusal,
  type Transaction,
  type Write,
  type WriteReply,
} from '@holdfast/protocol';
import { Log } from './log.ts';

export type Reply = WriteReply | Refusal;

/** How the storage answers: as it should, or otherwise. */
export type Weather = (effect: AuthorityEffect) => AuthorityEvent | 'late' | null;

/** One authority with a log, a clock that is set by hand, and everything that came out of it. */
export class Desk {
  readonly log: Log;
  readonly replies = new Map<number, Reply>();
  /** Tickets in order of their answers. */
  readonly answered: number[] = [];
  readonly committed: LoggedOp[] = [];
  readonly effects: AuthorityEffect[] = [];
  now = 1000;
  wall = 1_700_000_000_000;
  /** Asked before the log is; null leaves it to the log, `late` leaves it unanswered. */
  weather: Weather = () => null;
  readonly #authority: Authority;
  #tickets = 0;

  constructor(config: Partial<AuthorityConfig> = {}, log: Log = new Log()) {
    this.log = log;
    this.#authority = new Authority({
      head: log.head,
      tree: log.load(),
      at: { now: this.now, wall: this.wall },
      archived: false,
      limits: defaultLimits,
      ...config,
    });
  }

  get authority(): Authority {
    return this.#authority;
  }

  /** One event; what it asks of the storage stays unanswered. */
  step(event: AuthorityEvent): readonly AuthorityEffect[] {
    const effects = this.#authority.step({ ...event, now: this.now, wall: this.wall });
    for (const effect of effects) this.#note(effect);
    return effects;
  }

  /** One event, and all that follows from it until nothing is left to do. */
  run(event: AuthorityEvent): void {
    const events: AuthorityEvent[] = [event];
    for (let next = events.shift(); next !== undefined; next = events.shift()) {
      for (const effect of this.step(next)) {
        const answer = this.weather(effect) ?? answerOf(this.log, effect);
        if (answer !== null && answer !== 'late') events.push(answer);
      }
    }
  }

  /** The log takes the append that has waited for its answer, and tells of it. */
  stored(): void {
    const append = this.effects.findLast(({ type }) => type === 'append');
    if (append?.type !== 'append') throw new Error('nothing is on its way');
    const { batch, expected, content } = append;
    this.run({ type: this.log.append(expected, content), batch });
  }

  /** Hands in a request and leaves it in the queue. */
  submit(request: Submission['request'], more: Partial<Submission> = {}): number {
    this.#tickets++;
    const ticket = this.#tickets;
    const submission: Submission = {
      ticket,
      channel: 1,
      blocks: true,
      unblock: false,
      dialect: 4,
      deviceId: 'd1',
      opId: `d1:s1:${ticket}`,
      fingerprint: more.fingerprint ?? fingerprintOf(request),
      principal: 'ann',
      request,
      rate: null,
      ...more,
    };
    this.step({ type: 'submit', submission });
    return ticket;
  }

  /** Decides all that waits. */
  flush(): void {
    this.run({ type: 'flush' });
  }

  /** Hands in a request, and has it decided. */
  ask(request: Submission['request'], more: Partial<Submission> = {}): Reply {
    const ticket = this.submit(request, more);
    this.flush();
    return this.reply(ticket);
  }

  reply(ticket: number): Reply {
    const reply = this.replies.get(ticket);
    if (reply === undefined) throw new Error(`ticket ${ticket} has no answer`);
    return reply;
  }

  value(path: string): Json | undefined {
    return this.#authority.read(asPath(path))?.value;
  }

  #note(effect: AuthorityEffect): void {
    this.effects.push(effect);
    if (effect.type === 'committed') this.committed.push(...effect.ops);
    if (effect.type !== 'reply') return;
    if (this.replies.has(effect.ticket)) throw new Error(`ticket ${effect.ticket} answered twice`);
    this.replies.set(effect.ticket, effect.answer);
    this.answered.push(effect.ticket);
  }
}

/** What a storage without faults answers; null where nothing is asked. */
export function answerOf(log: Log, effect: AuthorityEffect): AuthorityEvent | null {
  const { type } = effect;
  if (type === 'append') {
    return { type: log.append(effect.expected, effect.content), batch: effect.batch };
  }
  if (type === 'lookup') return { type: 'answered', ...log.answers(effect.ids, effect.clients) };
  if (type === 'read') return { type: 'followed', ops: log.read(effect.after) };
  return type === 'collect' ? { type: 'flush' } : null;
}

/** The reason of a refusal; null for an ok. */
export function reasonOf(reply: Reply): string | null {
  return isRefusal(reply) ? reply.code : null;
}

export function set(path: string, value: Json, guards: Partial<Write & { op: 'set' }> = {}): Write {
  return { op: 'set', path: asPath(path), value, ...guards };
}

export function increment(path: string, value = 1): Write {
  return { op: 'increment', path: asPath(path), value };
}

export function remove(path: string): Write {
  return { op: 'delete', path: asPath(path) };
}

export function lease(path: string, ttlMs = 30_000, holder: string | null = null): Write {
  return { op: 'lease', path: asPath(path), ttlMs, holder };
}

export function renew(path: string, token: number, ttlMs = 30_000): Write {
  return { op: 'renew', path: asPath(path), token, ttlMs };
}

export function release(path: string, token: number): Write {
  return { op: 'release', path: asPath(path), token };
}

export function transact(
  ops: readonly Write[],
  preconditions: Transaction['preconditions'] = [],
): Transaction {
  return { op: 'transact', ops, preconditions };
}

/** Equal requests have equal fingerprints. */
function fingerprintOf(request: object): number {
  let hash = 7;
  for (const letter of JSON.stringify(request)) {
    hash = (hash * 8191 + (letter.codePointAt(0) ?? 0)) % 1_000_000_007;
  }
  return hash;
}
