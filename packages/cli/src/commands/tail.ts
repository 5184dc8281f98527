import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError, isObject } from '@holdfast/protocol';
import { callApi, openApi } from '../api.ts';
import { type Command, defineCommand, type Surroundings } from '../command.ts';
import { connectionArgs, type Endpoint, endpointOf } from '../endpoint.ts';
import { queryOf } from '../entries.ts';
import { eventsIn, type ServerEvent } from '../events.ts';
import { Failure } from '../failure.ts';
import { listOf, textOf } from '../fields.ts';
import { interruption } from '../interrupt.ts';
import { loggedOp } from '../logged.ts';
import { printable, shortValue } from '../output.ts';
import { patiently } from '../patience.ts';
import { Silence } from '../silence.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readInteger, readOptional, readSome } from '../values.ts';

const retryMs = 1000;
/** A server says something every 15 s: one that is silent for so long has gone, though its connection has not ended. */
const silentMs = 45_000;

export const command: Command = defineCommand({
  summary: 'Follow the log of a store, op by op, until Ctrl-C.',
  args: {
    store: storeArg,
    path: {
      type: 'string',
      valueHint: 'PATTERN',
      default: '**',
      description: 'Only what concerns these paths',
    },
    op: { type: 'string', valueHint: 'OPS', description: 'Only these ops, such as set,delete' },
    device: { type: 'string', valueHint: 'ID', description: 'Only by this device' },
    last: {
      type: 'string',
      valueHint: 'N',
      default: '10',
      description: 'Begin with the last so many, up to 1000; 0 for none',
    },
    since: {
      type: 'string',
      valueHint: 'SEQ',
      description: 'Begin after this seq instead: nothing is missed between two runs',
    },
    count: { type: 'string', valueHint: 'N', description: 'End after so many' },
    ...connectionArgs,
  },
  examples: [
    "holdfast tail demo/main --path 'users/**' --op set,delete",
    'holdfast tail demo/main --since 1200 --json >> ops.jsonl   # goes on where that file ends',
  ],
  async run(args, around) {
    const name = readStoreName(args.store);
    const { signal, stop } = interruption();
    const follow: Follow = {
      store: name,
      endpoint: endpointOf(args, around.terminal),
      pattern: args.path,
      ops: args.op === undefined ? null : new Set(readSome(args.op, '--op', 'all ops are shown')),
      device: args.device ?? null,
      last: readInteger(args.last, '--last', { max: 1000 }),
      since: readOptional(args.since, readPlace) ?? null,
      left:
        readOptional(args.count, (text) => readInteger(text, '--count', { min: 1 })) ?? Infinity,
    };
    try {
      await new Tail(follow, { ...around, signal }).run();
    } finally {
      stop();
    }
  },
});

type Follow = {
  readonly store: string;
  readonly endpoint: Endpoint;
  readonly pattern: string;
  readonly ops: ReadonlySet<string> | null;
  readonly device: string | null;
  readonly last: number;
  readonly since: string | null;
  readonly left: number;
};

type Around = Surroundings & { readonly signal: AbortSignal };

type Told = Omit<ReturnType<typeof loggedOp>, 'at'> & { readonly at?: string };

/** A log as it grows: what came last, then a stream that is opened again where it was lost. */
class Tail {
  readonly #follow: Follow;
  readonly #around: Around;
  readonly #enough = new AbortController();
  #left: number;
  /** The id that has been told last, or the seq that was passed. */
  #cursor: string | null;
  #streams = 0;
  #incarnation: string | null = null;
  /** null: there was none yet. */
  #connection: 'connected' | 'reconnecting' | null = null;
  /** A stream that is lost amid a transaction begins again before it. */
  #seen = 0;

  constructor(follow: Follow, around: Around) {
    this.#follow = follow;
    this.#around = around;
    this.#left = follow.left;
    this.#cursor = follow.since;
  }

  async run(): Promise<void> {
    const { store, pattern } = this.#follow;
    if (this.#cursor === null) await this.#begin();
    if (this.#left <= 0) return;
    const since = seqOf(this.#cursor);
    this.#around.output.aside({ following: pattern, store, since }, (paint) =>
      paint.dim(`Following ${printable(pattern)} in ${store}. Ctrl-C stops.`),
    );
    const ended = AbortSignal.any([this.#around.signal, this.#enough.signal]);
    while (!ended.aborted) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one stream after the other
        await this.#listen(ended);
      } catch (error) {
        if (ended.aborted) return;
        if (error instanceof Failure && error.outcome !== 'offline') throw error;
        // Nobody was ever there: that is for whoever has called to know.
        if (this.#connection === null) throw error;
      }
      if (ended.aborted) return;
      this.#is('reconnecting');
      // oxlint-disable-next-line no-await-in-loop -- not at once
      await delay(retryMs, null, { signal: ended }).catch(() => undefined);
    }
  }

  /** Tells of a connection that is lost or found again, each once. */
  #is(connection: 'connected' | 'reconnecting'): void {
    const before = this.#connection;
    this.#connection = connection;
    if (before === null || before === connection) return;
    this.#around.output.aside({ connection }, (paint) => paint.dim(`(${connection})`));
  }

  /** Tells the last ops, and goes on behind them. */
  async #begin(): Promise<void> {
    if (this.#follow.last === 0) return;
    try {
      await this.#tellLast();
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'missing_scope') throw error;
      this.#around.output.note(
        'What was before takes a token with audit:read; what is new follows.',
      );
    }
  }

  async #tellLast(): Promise<void> {
    const newest = await this.#log({ limit: 1 });
    const head = newest[0]?.seq ?? 0;
    this.#cursor = String(head);
    const { last, pattern, ops, device } = this.#follow;
    if (head === 0) return;
    const [only, ...others] = ops ?? [];
    const query = {
      path: pattern === '**' ? undefined : pattern,
      device_id: device ?? undefined,
      op: others.length === 0 ? only : undefined,
      before_seq: head + 1,
      limit: last,
    };
    const rows = await this.#log(query);
    for (const op of rows.toReversed()) this.#tell(op);
  }

  async #log(query: Parameters<typeof queryOf>[0]): Promise<ReturnType<typeof loggedOp>[]> {
    const { endpoint, store } = this.#follow;
    const full = { before_seq: Number.MAX_SAFE_INTEGER, ...query };
    const { ops } = await callApi(endpoint, `/api/stores/${store}/log?${queryOf(full)}`, {
      says: { ops: 'list' },
    });
    return listOf(ops).map(loggedOp);
  }

  async #listen(ended: AbortSignal): Promise<void> {
    const silence = new Silence();
    const { endpoint } = this.#follow;
    const open = (): Promise<Response> => {
      silence.allow(endpoint.timeoutMs);
      const answered = this.#open(AbortSignal.any([ended, silence.signal]));
      // Nobody is silent who has refused it, or is waited for.
      return answered.finally(() => silence.end());
    };
    try {
      const answer = await patiently(endpoint, open, ended);
      if (answer.body === null) return;
      this.#streams += 1;
      this.#is('connected');
      for await (const event of eventsIn(silence.heardIn(answer.body, silentMs))) this.#hear(event);
    } finally {
      silence.end();
    }
  }

  #open(signal: AbortSignal): Promise<Response> {
    const { endpoint, store, pattern } = this.#follow;
    const query = queryOf({
      pattern,
      since: this.#cursor ?? undefined,
      incarnation: this.#incarnation ?? undefined,
    });
    const accept = 'text/event-stream';
    return openApi(endpoint, `/api/stores/${store}/watch?${query}`, { signal, accept });
  }

  #hear({ event, id, data }: ServerEvent): void {
    const told: unknown = data === '' ? null : JSON.parse(data);
    if (event === 'op' && isObject(told)) this.#tell(opOf(told));
    if (event === 'reset' && isObject(told)) this.#reset(textOf(told['why']));
    if (event === 'ready' && isObject(told)) this.#incarnation = textOf(told['incarnation']);
    if (event === 'error') throw overBy(told);
    if (id === null || !isPlace(id)) return;
    this.#cursor = id;
  }

  /** The log does not reach back to the cursor, or is another one: the state that follows is no op of it. */
  #reset(why: string): void {
    const cursor = seqOf(this.#cursor);
    this.#seen = 0;
    // A seq that is not of a stream says nothing of what could be read there.
    if (why === 'scope' && this.#streams === 1 && this.#cursor?.includes('~') !== true) return;
    const said =
      why === 'scope'
        ? 'The token sees another part of what was there before.'
        : `What came after seq ${cursor ?? 0} is no longer in the log (${printable(why)}).`;
    this.#around.output.aside({ reset: why, since: cursor }, (paint) => paint.yellow(said));
  }

  #tell(op: Told): void {
    const { ops, device } = this.#follow;
    if (this.#left <= 0 || op.seq <= this.#seen) return;
    this.#seen = op.seq;
    if (ops !== null && !ops.has(op.op)) return;
    if (device !== null && op.device !== device) return;
    this.#left -= 1;
    const { output } = this.#around;
    output.record(op, (paint) => {
      const value = op.op === 'delete' ? '' : shortValue(op.value, 40);
      const at = paint.dim(String(op.seq).padStart(6));
      const by = paint.dim(printable(op.device));
      const parts = [at, printable(op.op).padEnd(9), paint.cyan(printable(op.path)), value, by];
      return parts.filter((part) => part !== '').join('  ');
    });
    if (this.#left <= 0) this.#enough.abort();
  }
}

/** The id of an event: a seq, and where rules show a part only, the name of those. */
function isPlace(text: string): boolean {
  return /^\d{1,16}(~[\w-]{1,64})?$/.test(text);
}

function readPlace(text: string): string {
  return isPlace(text) ? text : String(readInteger(text, '--since'));
}

function seqOf(place: string | null): number | null {
  return place === null ? null : Number.parseInt(place, 10);
}

/** Why nothing more will come. */
function overBy(told: unknown): Error {
  const isArchived = isObject(told) && told['reason'] === 'store_archived';
  if (isArchived) return new HoldfastError('store_archived');
  return new Failure('denied', 'The token may no longer follow this.');
}

function opOf(told: { readonly [field: string]: unknown }): Told {
  const { at: _, ...op } = loggedOp(told);
  return op;
}
