import { Tree } from '@holdfast/engine/data';
import type { LoggedOp } from '@holdfast/engine/authority';
import { isObject, type Json, type Path, type Seq } from '@holdfast/protocol';
import type { WatchEvent } from '@holdfast/engine/replica';
import type { Device } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import type { ClientHistory, Span, WatchHistory } from '../validators/history.ts';
import { applyTold } from '../validators/told.ts';
import { leavesOf } from '../validators/truth.ts';
import type { FeedMutant } from './mutants.ts';
import { type Message, Messages } from './messages.ts';

/** What a feed is to follow. */
export type FeedTerms = {
  readonly store: string;
  readonly pattern: string;
  readonly includeCurrent: boolean;
  /** Whether the next chance to spoil something is taken. */
  readonly spoils: (mutant: FeedMutant) => boolean;
};

/** Longer than between two signs of life of a server. */
const silentMs = 40_000;
const againMs = 800;
/** What is not of the log and comes before it. */
const asked = 2 ** 40;

/** Somebody who follows a store over HTTP (stores.md §16), with the plainest of means: an `EventSource`, and what it hears. */
export class Feed {
  readonly name: string;
  readonly terms: FeedTerms;
  readonly #world: World;
  readonly #device: Device;
  readonly #dice: Dice;
  #events: WatchEvent[] = [];
  readonly #resumes: Seq[] = [];
  readonly #resyncs: Span[] = [];
  #tree = Tree.empty();
  /** The last seq that a message named; null: none has. */
  #cursor: Seq | null = null;
  #from: Seq | null = null;
  #incarnation: string | null = null;
  /** Of a commit that is not whole yet. */
  #part: Op[] = [];
  #present: (readonly [Path, Json])[] | null = null;
  #isOver = false;
  #connections = 0;
  #abort = new AbortController();
  #heardAt = 0;

  constructor(world: World, device: Device, terms: FeedTerms) {
    this.#world = world;
    this.#device = device;
    this.terms = terms;
    this.name = `${device.name} of ${terms.pattern}`;
    this.#dice = world.dice.fork();
    void this.#follow();
  }

  get cursor(): Seq {
    return this.#cursor ?? 0;
  }

  /** How often it was connected. */
  get connections(): number {
    return this.#connections;
  }

  /** How often it was told everything anew. */
  get resets(): number {
    return this.#resyncs.length;
  }

  end(): void {
    this.#isOver = true;
    this.#abort.abort();
  }

  /** Breaks off, and comes back a while later. */
  hangUp(): void {
    this.#abort.abort();
  }

  history(): ClientHistory {
    const { pattern, includeCurrent } = this.terms;
    const watch: WatchHistory = {
      name: this.name,
      pattern,
      includeCurrent,
      mode: 'committed',
      policy: 'every',
      // There is no `previous` in what it hears.
      isWhole: false,
      from: this.#from ?? this.cursor,
      through: this.cursor,
      events: this.#events,
    };
    const resumes = this.#resumes;
    const resyncs = this.#resyncs;
    return { client: this.name, made: [], watches: [watch], bookmarks: [], resumes, resyncs };
  }

  /** What it knows to be there; null: it was never told. */
  leaves(): ReturnType<typeof leavesOf> | null {
    const isKnown = this.terms.includeCurrent || this.#resyncs.length > 0;
    return isKnown && this.#from !== null ? leavesOf(this.#tree) : null;
  }

  async #follow(): Promise<void> {
    while (!this.#isOver) {
      this.#abort = new AbortController();
      try {
        await this.#connect(this.#abort.signal);
      } catch (error) {
        this.#world.note(this.name, String(error));
      }
      this.#part = [];
      await this.#world.sleep(1 + this.#dice.below(againMs));
    }
  }

  async #connect(signal: AbortSignal): Promise<void> {
    const { store, pattern, includeCurrent } = this.terms;
    const query = new URLSearchParams({ pattern, include_current: String(includeCurrent) });
    if (this.#incarnation !== null) query.set('incarnation', this.#incarnation);
    const ahead = this.terms.spoils('who comes back names a later op') ? 1 : 0;
    const headers = {
      accept: 'text/event-stream',
      authorization: `Bearer ${this.#device.token}`,
      ...(this.#cursor !== null && { 'last-event-id': String(this.#cursor + ahead) }),
    };
    this.#watchSilence(signal);
    this.#present = includeCurrent && this.#cursor === null ? [] : null;
    const url = `http://simulated.example/api/stores/${store}/watch?${query.toString()}`;
    const { body, status } = await this.#device.fetch(url, { headers, signal });
    if (status !== 200 || body === null) throw new Error(`the answer is ${status}`);
    this.#connections += 1;
    if (this.#cursor !== null) this.#resumes.push(this.#cursor);
    const messages = new Messages();
    for await (const piece of body) {
      if (signal.aborted) return;
      this.#heardAt = this.#world.now;
      for (const message of messages.take(piece)) this.#take(message);
    }
  }

  #watchSilence(signal: AbortSignal): void {
    this.#heardAt = this.#world.now;
    const look = (): void => {
      if (signal.aborted) return;
      if (this.#world.now - this.#heardAt > silentMs) this.#abort.abort();
      else this.#world.later(silentMs / 4, look);
    };
    look();
  }

  #take({ event, id, data }: Message): void {
    const value: unknown = data === '' ? null : JSON.parse(data);
    if (event === 'op') this.#takeOp(value as Told);
    else if (event === 'present') this.#takePresent(value as Leaf);
    else if (event === 'reset') this.#reset(Number(isObject(value) && value['seq']));
    else if (event === 'ready') this.#ready(value as { incarnation: string; through_seq: Seq });
    else if (event === 'error') this.#abort.abort();
    if (id !== null) this.#reach(Number.parseInt(id, 10));
  }

  #takeOp(told: Told): void {
    const op = { ...told, seq: told.store_seq };
    const { spoils } = this.terms;
    const isOfMany = op.tx !== null;
    if (spoils(isOfMany ? 'a part of a transaction is lost' : 'an op is lost')) return;
    if (this.#resumes.at(-1) === op.seq - 1 && spoils('who comes back misses an op')) return;
    this.#part.push(op);
    if (spoils('an op comes twice')) this.#part.push(op);
    if (spoils('an op is of another path')) op.path = 'elsewhere' as Path;
    if (spoils('two ops change places')) this.#part.reverse();
  }

  #takePresent({ path, value }: Leaf): void {
    const isSpoiled = this.terms.spoils('a present leaf is another');
    this.#present?.push([path, isSpoiled ? 'another' : value]);
  }

  #reset(seq: Seq): void {
    this.#resyncs.push([Math.min(this.cursor, seq), seq]);
    this.#present = [];
    this.#part = [];
  }

  #ready({ incarnation, through_seq: seq }: { incarnation: string; through_seq: Seq }): void {
    this.#incarnation = incarnation;
    this.#from ??= seq;
    if (this.#present === null) return;
    this.#tree = Tree.empty();
    for (const [path, value] of this.#present) {
      applyTold(this.#tree, { op: 'set', path, value, seq: asked });
    }
    this.#present = null;
  }

  /** What has come is whole. */
  #reach(cursor: Seq): void {
    this.#from ??= cursor;
    for (const op of this.#part) {
      this.#events.push(eventOf(op));
      const { op: does, path, value, seq } = op;
      applyTold(this.#tree, { op: does, path, value, seq });
    }
    this.#part = [];
    if (cursor < this.cursor && this.#resyncs.length === 0) {
      this.#world.problem(`ordered: ${this.name}: the cursor is ${cursor} after ${this.cursor}`);
    }
    this.#cursor = cursor;
  }
}

type Leaf = { readonly path: Path; readonly value: Json };
type Told = { store_seq: Seq; op: LoggedOp['op']; path: Path; value: Json; tx: Seq | null };
type Op = Told & { readonly seq: Seq };

function eventOf({ op, path, value, seq }: Op): WatchEvent {
  return { op, path, value, seq, previous: undefined, type: undefined, own: false };
}
