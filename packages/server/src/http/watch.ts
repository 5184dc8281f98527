import { type LoggedOp } from '@holdfast/engine/authority';
import { entriesIn, Scope, typeOfOp } from '@holdfast/engine/data';
import { refuse, RejectedError, type Seq } from '@holdfast/protocol';
import type { Context, Hono } from 'hono';

import { type Look, rightsName } from '../access/index.ts';
import { unbound } from '../storage/turn.ts';
import type { HttpDeps, OpenStore, Teller } from './deps.ts';
import { invalidParam, refused } from './errors.ts';
import { EventStream } from './event-stream.ts';
import { credentialsOf, identify, needScope, readable } from './identify.ts';
import { flagOf, queryOf, readPattern } from './query.ts';
import { storeOf } from './store-of.ts';
import { Streams } from './streams.ts';
import { upgradeRequired } from './upgrade-required.ts';

const RECHECK_MS = 2000;
const PING_MS = 15_000;
/** Many who wait for the same are not to ask all the time. */
const AGAIN_MS = 1000;
/** The name of rules that let everything be read. */
const everything = rightsName(undefined);
const parameters = new Set(['pattern', 'include_current', 'present', 'since', 'incarnation']);

/** Where a watcher is: the seq that it was told last, and the name of the rules by which it was. */
type Place = { readonly seq: Seq; readonly rights: string };

/** How a watcher reads now. */
type Reading = {
  readonly rights: string;
  /** Records may hide something from it: rules that change without a commit are in no name. */
  readonly isVeiled: boolean;
  /** Begins to look through the store for it. */
  readonly look: () => Look;
  readonly clock: HttpDeps['clock'];
};

/** From where on a watcher wants to hear. */
type Wanted = {
  readonly scope: Scope;
  readonly includeCurrent: boolean;
  /** What is there is not told where the log is not enough, either: the watcher reads that for itself. */
  readonly hasOwn: boolean;
  /** What it was told last; null: from now on. */
  readonly since: Place | null;
  readonly incarnation: string | null;
};

/** `GET …/watch`: the facts of a store as server-sent events (stores.md §16). `GET …/subscribe` says where its socket is. */
export function routeWatch(app: Hono, deps: HttpDeps): void {
  const streams = new Streams(deps.limits.max_sockets_per_token);
  app.get('/api/stores/:org/:store/subscribe', async (c) => {
    await storeOf(deps, c, await identify(deps, c));
    throw upgradeRequired(c, 'Stores are subscribed to by WebSocket.');
  });
  app.get('/api/stores/:org/:store/watch', async (c) => {
    const principal = await identify(deps, c);
    const row = await storeOf(deps, c, principal);
    needScope(principal, 'entries:read');
    if (!acceptsEvents(c.req.header('accept'))) {
      throw upgradeRequired(c, 'Accept text/event-stream, or follow the store by WebSocket.');
    }
    const byRules = readable(principal);
    const asked = readWanted(c, deps, byRules);
    // A browser whose stream has ended asks again and again, unless it is told that there is none.
    if (row.status === 'archived') throw refused(refuse('store_archived'));
    const leave = streams.enter(principal);
    const store = await deps.openStore(row.id).catch((error: unknown) => {
      leave();
      throw error;
    });
    const veil = deps.veilOf?.(principal, store) ?? null;
    const wanted = veil === null ? asked : { ...asked, scope: asked.scope.under(veil) };
    const rights = rightsName(veil === null ? byRules : byRules.under(veil));
    const verdict = async (): Promise<string> =>
      store.archived ? 'archived' : deps.access.recheck(credentialsOf(c), principal);
    const look = (): Look => {
      const begun = deps.rates.look(principal, row.id);
      begun.pause();
      return begun;
    };
    const reading = { rights, isVeiled: veil !== null, look, clock: deps.clock };
    const watch = new Watch(store, wanted, reading);
    watch.ends.push(leave);
    if (veil !== null && deps.lookFor !== undefined) {
      watch.ends.push(deps.lookFor({ veil, turned: () => watch.turn() }));
    }
    const stream = new EventStream(deps, {
      source: watch,
      verdict,
      recheckMs: RECHECK_MS,
      pingMs: PING_MS,
    });
    // Whoever comes back goes on with the store as it is stored.
    store.onLost(() => stream.end());
    return new Response(stream.body, {
      headers: { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' },
    });
  });
}

/** Reads the log for one watcher: it is asked for the next text when the last has left. */
class Watch {
  readonly #store: OpenStore;
  readonly #scope: Scope;
  readonly #hasOwn: boolean;
  #opening: Generator<string | null, void, undefined>;
  /** What is to be done when nobody watches any more. */
  readonly ends: (() => void)[] = [];
  #cursor: Seq;
  /** All that comes before the log is told. */
  #isReady = false;
  #teller: Teller | null = null;
  /** Rules show another part by now of what was told, though nothing was committed. */
  #hasTurned = false;
  /** The name of the rules by which it is told now. */
  readonly #rights: string;
  /** The one by which it has been told what it has: until all that is there is told anew, that of the stream before. */
  #toldBy: string;
  /** What was there when the stream before ended may be shown otherwise by now: after the log, it is told what is there. */
  #isUnsure: boolean;
  #changed: () => void = () => undefined;
  readonly #reading: Reading;
  /** Until it has been told all that was there when it came; null from then on. */
  #look: Look | null;
  #stop: () => void = () => undefined;

  constructor(store: OpenStore, wanted: Wanted, reading: Reading) {
    const { rights, isVeiled } = reading;
    this.#reading = reading;
    this.#look = reading.look();
    this.#store = store;
    this.#scope = wanted.scope;
    this.#hasOwn = wanted.hasOwn;
    this.#rights = rights;
    const { head } = store.standing();
    const why = whyReset(store, wanted);
    const since = why === null ? wanted.since : null;
    this.#cursor = since?.seq ?? head;
    // Where nothing was yet, nothing was hidden.
    const former = since === null || since.seq === 0 ? null : since.rights;
    this.#toldBy = former ?? rights;
    this.#isUnsure = former !== null && (isVeiled || former !== rights);
    this.#opening = this.#open(wanted, why);
    this.ends.push(store.follow(() => this.#changed()));
  }

  get cursor(): string | null {
    return this.#isReady ? this.#idOf(this.#cursor) : null;
  }

  /** The next text to send; empty where there is nothing to tell of what was read; null where all is told. */
  async next(): Promise<string | null> {
    try {
      await this.#look?.back();
      const text = await this.#next();
      this.#look?.leave();
      // What is committed from now on is told once, and by who commits it.
      if (text === null) this.#look = null;
      return text;
    } catch (error) {
      if (!(error instanceof RejectedError) || error.code !== 'rate_limited') throw error;
      this.#look = this.#reading.look();
      await this.#pass(Math.max(Number(error.details['retry_after_ms']), AGAIN_MS));
      return '';
    }
  }

  /** A browser that is refused never asks again: it waits until the server may look for it once more. */
  #pass(ms: number): Promise<void> {
    const { clock } = this.#reading;
    return new Promise((resolve) => {
      const timer = clock.setTimeout(resolve, ms);
      this.#stop = () => {
        clock.clearTimeout(timer);
        resolve();
      };
    });
  }

  async #next(): Promise<string | null> {
    if (this.#hasTurned) this.#begin('scope');
    const opening = this.#opening.next();
    if (opening.done !== true) return opening.value ?? '';
    if (this.#cursor < this.#store.standing().head) return this.#nextOps();
    if (!this.#isUnsure) return null;
    this.#begin('scope');
    return '';
  }

  async #nextOps(): Promise<string> {
    const { head } = this.#store.standing();
    const from = this.#cursor;
    const reading = this.#store.read(from, head);
    const ops = await (this.#look?.wait(reading) ?? reading);
    // The log has forgotten what comes next: it is told anew as it is.
    if (ops[0]?.seq !== from + 1) {
      this.#begin('behind');
      return '';
    }
    const told = { scope: this.#scope, after: from };
    this.#teller ??= await this.#store.tell(told, this.#look ?? unbound);
    this.#cursor = ops.at(-1)?.seq ?? head;
    const text = textOf(this.#teller.take(ops), (seq) => this.#idOf(seq));
    if (this.#teller.hasTurned) this.#begin('scope');
    return text;
  }

  /** Rules say otherwise. */
  turn(): void {
    this.#hasTurned = true;
    this.#changed();
  }

  /** What the watcher may see is another part of what was there before: it is told all of it (records.md §17). */
  #begin(why: string): void {
    this.#hasTurned = false;
    this.#isUnsure = false;
    this.#isReady = false;
    this.#teller = null;
    this.#opening = this.#open({ includeCurrent: true, since: null }, why);
  }

  /** Calls back once when there is more. */
  wake(run: () => void): void {
    this.#changed = run;
    if (this.#hasTurned || this.#cursor < this.#store.standing().head) run();
  }

  close(): void {
    for (const end of this.ends) end();
    this.#look?.end();
    this.#stop();
    this.#store.release();
  }

  /** A seq alone where everything may be read. */
  #idOf(seq: Seq): string {
    return this.#toldBy === everything ? String(seq) : `${seq}~${this.#toldBy}`;
  }

  /** What comes before the log: why not, all that is there, and up to where that holds. */
  *#open(
    wanted: Pick<Wanted, 'includeCurrent' | 'since'>,
    why: string | null,
  ): Generator<string | null, void, undefined> {
    const { tree, seq } = this.#store.view();
    if (why !== null) yield message('reset', { why, seq });
    if (why !== null || (wanted.includeCurrent && wanted.since === null)) {
      this.#cursor = seq;
      for (const entry of this.#hasOwn ? [] : entriesIn(tree, this.#scope)) {
        yield entry === null ? null : message('present', entry);
      }
    }
    if (why !== null) this.#toldBy = this.#rights;
    const ready = { through_seq: this.#cursor, incarnation: this.#store.row.incarnation };
    this.#isReady = true;
    yield `id: ${this.#idOf(this.#cursor)}\n${message('ready', ready)}`;
  }
}

/** Why the log cannot be followed from where the watcher was; null if it can. */
function whyReset(store: OpenStore, { since, incarnation }: Wanted): string | null {
  if (since === null) return null;
  const { head, oldestSeq } = store.standing();
  if (incarnation !== null && incarnation !== store.row.incarnation) return 'incarnation';
  if (since.seq > head) return 'ahead';
  return since.seq < oldestSeq - 1 ? 'behind' : null;
}

/** Only the last message of a commit has an id, so that whoever resumes never misses a part of it. */
function textOf(ops: readonly LoggedOp[], idOf: (seq: Seq) => string): string {
  return ops
    .map((op, index) => {
      const next = ops[index + 1];
      const isLast = op.tx === null || next === undefined || next.tx !== op.tx;
      return `${isLast ? `id: ${idOf(op.tx ?? op.seq)}\n` : ''}${message('op', describe(op))}`;
    })
    .join('');
}

function describe(op: LoggedOp): object {
  return {
    store_seq: op.seq,
    op: op.op,
    path: op.path,
    value: op.value,
    type: typeOfOp(op.op, op.value),
    device_id: op.deviceId,
    client_op_id: op.clientOpId,
    tx: op.tx,
  };
}

function message(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

function acceptsEvents(accept = '*/*'): boolean {
  return /(^|,)\s*(\*\/\*|text\/\*|text\/event-stream)\s*(;|,|$)/i.test(accept);
}

function readWanted(c: Context, { limits }: HttpDeps, rules: Scope): Wanted {
  const asked = queryOf(c, parameters);
  const { pattern = '**', include_current: current, incarnation = null } = asked;
  const parsed = readPattern(pattern, limits);
  const { 'last-event-id': seen = '' } = c.req.header();
  return {
    scope: new Scope([parsed]).within(rules),
    includeCurrent: flagOf('include_current', current),
    hasOwn: !flagOf('present', asked['present'] ?? 'true'),
    // What the browser saw last counts more than what the page asked for at first.
    since: readPlace(seen === '' ? asked['since'] : seen),
    incarnation,
  };
}

function readPlace(text: string | undefined): Place | null {
  if (text === undefined || text === '') return null;
  const [, digits = '', rights = everything] = /^(\d{1,16})(?:~([\w-]{1,64}))?$/.exec(text) ?? [];
  const seq = digits === '' ? NaN : Number(digits);
  if (Number.isSafeInteger(seq)) return { seq, rights };
  throw invalidParam('since and Last-Event-ID are seqs, or ids of a stream before.');
}
