import {
  asGlob,
  asPath,
  defaultLimits,
  isRefusal,
  parseGlob,
  type Pattern,
  type Seq,
} from '@holdfast/protocol';
import { Queries, Replica, type ReplicaEffect, type ReplicaInput } from '@holdfast/engine/replica';
import { Dice } from '../src/dice.ts';
import type { Failure, Seeds } from '../src/simulate.ts';
import { weighed } from '../steps.ts';
import { playStories, type Story } from '../stories.ts';
import { textOf } from '../text.ts';

/*
 * A replica with a query, and a server that says whatever the protocol lets it say: changes of the window long before the
 * commits that they are of, many commits in a frame, snapshots in place of frames, and such as lack what is hidden now; and
 * other parts of the store before it answers who has come back.
 */

type Row = { readonly rank: number; readonly text: string; readonly revision: Seq };
type State = ReadonlyMap<string, Row>;
type Op = readonly [seq: Seq, op: string, path: string, value: unknown, by: string, opId: string];

const ids = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
const windowMax = 3;
const stepsCount = 60;

/** What the server does next; the roll decides how. */
type Deed = 'commit' | 'move' | 'frame' | 'snapshot' | 'hide' | 'comeBack';
type Step = { readonly does: Deed; readonly roll: number };

const deeds = weighed<Deed>({
  commit: 50,
  move: 15,
  frame: 20,
  hide: 5,
  snapshot: 7,
  comeBack: 3,
});

type Wish = ReplicaInput extends infer Input
  ? Input extends ReplicaInput
    ? Omit<Input, 'now' | 'wall'>
    : never
  : never;

class WindowWorld {
  readonly problems: string[] = [];
  readonly transcript: string[] = [];
  #dice: Dice;
  readonly #replica = new Replica({
    topic: 'store:acme/app',
    patterns: [asGlob('meta/**')],
    deviceId: 'device',
    limits: defaultLimits,
    random: () => 0.5,
  });
  readonly #queries = this.#replica.follow(Queries);
  readonly #sub: string;
  /** What was committed, by seq. */
  readonly #states: State[] = [new Map()];
  #ops: Op[] = [];
  #hidden: ReadonlySet<string> = new Set();
  /** What the client has been told is in the window, and up to which commit; and how far its state is. */
  #told: readonly string[] = [];
  #toldAt: Seq = 0;
  #at: Seq = 0;
  #count = 0;
  /** Parts that the client has asked for besides, in which nothing is. */
  readonly #parts = ['meta/**'];

  constructor(seed: number) {
    this.#dice = new Dice(seed);
    for (const id of ids) this.#commit(id);
    const head = this.#head;
    this.#step({ type: 'joined', response: { ...joined, store_seq: head } });
    this.#say('events', { from_seq: 0, to_seq: head, ops: [] });
    this.#say('catch_up_complete', { through_seq: head });
    this.#at = head;
    const ask = { key: 'tasks', record: 'task', spec: {}, within: patternOf('tasks/*/**') };
    this.#sub = this.#queries.open(ask, () => undefined);
    this.#step({ type: 'tick' });
    this.#answer();
  }

  run(steps: readonly Step[]): void {
    for (const step of steps) {
      if (this.problems.length > 0) return;
      this.transcript.push(JSON.stringify(step));
      this.#dice = new Dice(step.roll);
      this.#do(step.does);
    }
    this.#move();
    this.#frame();
  }

  #do(does: Deed): void {
    switch (does) {
      case 'commit':
        this.#commit(this.#dice.pick(ids));
        return;
      case 'move':
        this.#move();
        return;
      case 'frame':
        this.#frame();
        return;
      case 'snapshot':
      case 'hide':
        this.#snapshot(does === 'hide');
        return;
      case 'comeBack':
        this.#comeBack();
    }
  }

  get #head(): Seq {
    return this.#states.length - 1;
  }

  #commit(id: string): void {
    const seq = this.#head + 1;
    const state = new Map(this.#states.at(-1));
    const row = { rank: this.#dice.below(20), text: `${id}${seq}`, revision: seq };
    const isGone = this.#dice.chance(0.1);
    if (isGone) state.delete(id);
    else state.set(id, row);
    this.#states.push(state);
    const by = ['other', `other:s:${seq}`] as const;
    const { rank, text } = row;
    if (isGone) this.#ops.push([seq, 'delete', `tasks/${id}`, null, ...by]);
    else this.#ops.push([seq, 'set', `tasks/${id}`, { rank, text }, ...by]);
  }

  /** Tells what has become of the window by the commits up to now, or of all of it where it is asked for. */
  #move(): void {
    for (let at = this.#toldAt + 1; at <= this.#head; at++) this.#tell(at);
    this.#answer();
  }

  #tell(at: Seq): void {
    const rows = this.#windowAt(at);
    const ops = changes(this.#told, rows);
    const fresh = rows.filter((id) => !this.#told.includes(id));
    this.#told = rows;
    this.#toldAt = at;
    if (ops.length > 0) this.#delta(at, { ops, entries: this.#entries(fresh, at) });
  }

  /** The client has asked for all of it: when it is first opened, and where it thinks that it has missed something. */
  #answer(): void {
    if (!this.#queries.sight(this.#sub).isAsked) return;
    if (this.#toldAt > this.#at) this.#follow(this.#toldAt);
    const rows = this.#windowAt(this.#at);
    [this.#told, this.#toldAt] = [rows, this.#at];
    const paths = rows.map((id) => `tasks/${id}`);
    this.#delta(this.#at, { reset: true, rows: paths, entries: this.#entries(rows, this.#at) });
    this.#look('a whole window');
  }

  #frame(): void {
    if (this.#toldAt <= this.#at) this.#move();
    const span = this.#toldAt - this.#at;
    if (span > 0) this.#follow(this.#at + 1 + this.#dice.below(span));
  }

  /** The commits up to one, as far as they are of rows that the window has then. */
  #follow(to: Seq): void {
    const ops = this.#ops.filter(
      ([seq, , path]) => seq > this.#at && seq <= to && this.#isShown(path.slice(6), seq),
    );
    this.#say('events', { from_seq: this.#at, to_seq: to, ops });
    this.#at = to;
    this.#look('a frame');
  }

  /** The state up to what was told of; where something is hidden from now on, it is told of right behind. */
  #snapshot(isHiding: boolean): void {
    this.#answer();
    const seq = Math.max(this.#at, this.#toldAt);
    if (isHiding) this.#hidden = new Set(ids.filter(() => this.#dice.chance(0.3)));
    const shown = this.#told.filter((id) => !this.#hidden.has(id));
    const entries = this.#entries(shown, seq);
    const id = `snapshot ${(this.#count += 1)}`;
    const head = { id, seq };
    const size = { entries: entries.length };
    this.#say('snapshot_begin', { ...head, incarnation: 'i1', ...size, within: null });
    this.#say('snapshot_chunk', { id, index: 0, entries, maps: [] });
    this.#say('snapshot_end', { ...head, chunks: 1, ...size });
    [this.#at, this.#toldAt] = [seq, seq];
    if (isHiding) this.#tell(seq);
    // What comes behind it takes effect with the next frame, at the latest.
    this.#commit(this.#dice.pick(ids));
    this.#move();
    this.#follow(this.#head);
  }

  /** Another connection: the client says which rows it has; a part that it asks for meanwhile comes before the answer. */
  #comeBack(): void {
    this.#move();
    this.#follow(this.#head);
    if (this.#hidden.size > 0 || this.#queries.sight(this.#sub).isAsked) return;
    const had = this.#told;
    const granted = this.#parts.slice();
    this.#parts.push(`own/${this.#head}/**`);
    this.#step({ type: 'lost' });
    this.#step({ type: 'want', patterns: this.#parts.map(asGlob) });
    this.#step({
      type: 'joined',
      response: { ...joined, store_seq: this.#at, patterns: granted },
    });
    this.#say('events', { from_seq: this.#at, to_seq: this.#at, ops: [] });
    this.#say('catch_up_complete', { through_seq: this.#at });
    this.#step({ type: 'tick' });
    for (let left = this.#dice.below(3); left >= 0; left--) this.#commit(this.#dice.pick(ids));
    const seq = this.#head;
    const ops = this.#ops.filter(([at, , path]) => at > this.#at && had.includes(path.slice(6)));
    this.#say('events', { from_seq: this.#at, to_seq: seq, ops });
    const response = { patterns: this.#parts, scope: 's2', seq, denied: [] };
    this.#step({ type: 'reply', id: 'scope', status: 'ok', response });
    this.#addition(this.#parts.slice(-1), seq);
    [this.#told, this.#at, this.#toldAt] = [this.#windowAt(seq), seq, seq];
    const rows = this.#told.map((id) => `tasks/${id}`);
    const fresh = this.#told.filter((id) => !had.includes(id));
    this.#delta(seq, { reset: true, rows, entries: this.#entries(fresh, seq) });
    this.#look('an answer to who has come back');
  }

  /** A part of the store comes, in which nothing is. */
  #addition(within: readonly string[], seq: Seq): void {
    const head = { id: `snapshot ${(this.#count += 1)}`, seq };
    this.#say('snapshot_begin', { ...head, incarnation: 'i1', entries: 0, within });
    this.#say('snapshot_end', { ...head, chunks: 0, entries: 0 });
  }

  #windowAt(seq: Seq): readonly string[] {
    const rows = [...(this.#states[seq] ?? [])].filter(([id]) => !this.#hidden.has(id));
    const sorted = rows.toSorted(([a, m], [b, n]) => m.rank - n.rank || (a < b ? -1 : 1));
    return sorted.slice(0, windowMax).map(([id]) => id);
  }

  #isShown(id: string, seq: Seq): boolean {
    return this.#windowAt(seq).includes(id) || this.#windowAt(seq - 1).includes(id);
  }

  #entries(rows: readonly string[], at: Seq): readonly unknown[] {
    return rows.flatMap((id) => {
      const row = this.#states[at]?.get(id);
      if (row === undefined) return [];
      const { rank, text, revision } = row;
      return [
        [`tasks/${id}/rank`, rank, 'integer', revision],
        [`tasks/${id}/text`, text, 'string', revision],
      ];
    });
  }

  #delta(at: Seq, more: object): void {
    const none = { entries: [], maps: [], has_more: false, end_cursor: null };
    this.#say('query_delta', { sub: this.#sub, at, ...none, ...more });
  }

  #look(after: string): void {
    const { rows, isAsked } = this.#queries.sight(this.#sub);
    if (isAsked) {
      if (rows !== null) return;
      this.problems.push(`window: after ${after} up to ${this.#at}, nothing is left of it`);
      return;
    }
    const found = (rows ?? []).map((path) => [path, this.#replica.entry(path)?.value]);
    const wanted = this.#windowAt(this.#at).map((id) => {
      const { rank, text } = this.#states[this.#at]?.get(id) ?? {};
      return [asPath(`tasks/${id}`), { rank, text }];
    });
    if (textOf(found) === textOf(wanted)) return;
    const both = `${textOf(found)} instead of ${textOf(wanted)}`;
    this.problems.push(`window: after ${after} up to ${this.#at}, it is ${both}`);
  }

  #say(event: string, payload: object): void {
    this.transcript.push(`${event} ${JSON.stringify(payload)}`);
    this.#step({ type: 'message', event, payload });
  }

  #step(input: Wish): readonly ReplicaEffect[] {
    const effects = this.#replica.step({ ...input, now: 0, wall: 0 });
    const isLost = effects.some(({ type }) => type === 'rejoin');
    if (isLost) this.problems.push('window: the client joins again');
    return effects;
  }
}

const joined = {
  capver: 4,
  capver_min: 3,
  permissions: { read: true, write: true },
  scopes: [],
  store_access: { mode: 'all', store_ids: [] },
  incarnation: 'i1',
  scope: 's1',
  patterns: ['meta/**'],
  sync: 'tail',
  why: null,
  oldest_seq: 1,
  dedupe_since: 0,
  server_time: 0,
  expires_at: null,
  limits: defaultLimits,
};

function patternOf(glob: string): Pattern {
  const pattern = parseGlob(glob);
  if (isRefusal(pattern)) throw new TypeError(glob);
  return pattern;
}

/** Steps from one window to another: what goes, then what comes or has another place. */
function changes(before: readonly string[], after: readonly string[]): readonly unknown[] {
  const gone = before.filter((id) => !after.includes(id)).map((id) => ['del', `tasks/${id}`]);
  const list = before.filter((id) => after.includes(id));
  const ops: unknown[] = [...gone];
  for (const [at, id] of after.entries()) {
    if (list[at] === id) continue;
    const known = list.indexOf(id);
    const place = at === 0 ? null : `tasks/${after[at - 1]}`;
    ops.push([known === -1 ? 'ins' : 'mov', `tasks/${id}`, place]);
    if (known !== -1) list.splice(known, 1);
    list.splice(at, 0, id);
  }
  return ops;
}

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runWindows(seeds: Seeds): Promise<{ readonly failure: Failure | null }> {
  return { failure: await playStories(storyOf, seeds) };
}

function storyOf(seed: number): Story<Step> {
  const dice = new Dice(seed);
  const step = (): Step => ({ does: dice.pick(deeds), roll: dice.below(2 ** 30) });
  return {
    steps: Array.from({ length: stepsCount }, step),
    play: (steps) => {
      const world = new WindowWorld(seed);
      world.run(steps);
      return world;
    },
  };
}
