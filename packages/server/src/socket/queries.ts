import type { RowOp } from '@holdfast/engine/collection';
import { type Bound, MapRows, readIn, Scope, type Tree } from '@holdfast/engine/data';
import {
  asGlob,
  asPath,
  globOf,
  HoldfastError,
  isReason,
  isRefusal,
  type Path,
  readQuery,
  type RecordDef,
  type Refusal,
  refuse,
  type Seq,
} from '@holdfast/protocol';
import { type QueryOpen, readQueryClose, readQueryOpen } from '@holdfast/protocol/record';
import { digestOf, grantsOf, rightsName } from '../access/index.ts';
import type { Evaluations, Watcher } from './evaluations.ts';
import type { Outbox } from './outbox.ts';
import type { SocketRoom } from './room.ts';
import type { ScopeChange, SnapshotPart } from './snapshot.ts';
import { type ChannelScope, globUnder, partOf, patternOf } from './scope.ts';
import type { SharedQuery } from './shared-query.ts';
import type { ChannelTerms } from './terms.ts';
import { formatOf, message } from './wire.ts';

const QUERIES_MAX = 100;
const everything = grantsOf(null).read;

/** What is to be done at the head, at once or as soon as it is known what a query shows. */
type Wanted = ScopeChange | Promise<ScopeChange>;

type Answer = (reply: object) => void;

/** A query that a channel has open, or will have as soon as its turn comes. */
type OpenQuery = {
  readonly sub: string;
  readonly shared: SharedQuery;
  rows: readonly Path[];
  hasMore: boolean;
};

/** What queries are opened with, and where their frames go. */
export type QueriesConfig = {
  readonly room: Pick<SocketRoom, 'recordOf' | 'nextNumber' | 'rates'>;
  readonly terms: ChannelTerms;
  readonly outbox: Outbox;
  readonly evaluations: Evaluations;
};

/**
 * The queries of one channel (records.md §14.4).
 *
 * 1. While the channel is live, a change of a window is told right before the events that reach it.
 * 2. A channel that was not live is told of the whole window again, if it is another one.
 * 3. The rows of all windows are in the channel's scope.
 */
export class ChannelQueries implements Watcher, Bound {
  readonly name = 'queries';
  readonly #config: QueriesConfig;
  /** Stands for what may be read: who shares it and a query is shown the same of its rows. */
  readonly #rights: string;
  /** All whose evaluation is held for this channel. */
  readonly #holding = new Set<OpenQuery>();
  readonly #open = new Map<string, OpenQuery>();
  /** How many windows an object is in. */
  readonly #held = new Map<Path, number>();
  #base: ChannelScope;
  #over: ChannelScope | null = null;
  #flush: (() => void) | null = null;
  #unwatch: () => void = () => undefined;

  constructor(config: QueriesConfig) {
    this.#config = config;
    this.#rights = rightsName(this.#readable);
    this.#base = config.terms.plan.scope;
  }

  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  covers(path: Path): boolean {
    return this.#base.leaves.covers(path) || (this.#isRow(path) && this.#readable.covers(path));
  }

  coversSubtree(path: Path): boolean {
    if (this.#base.leaves.coversSubtree(path)) return true;
    return this.#isRow(path) && this.#readable.coversSubtree(path);
  }

  reaches(path: Path): boolean {
    return this.#held.size > 0 || this.#base.leaves.reaches(path);
  }

  /**
   * The same as long as the channel is live, when its windows are those of all who have the same queries open: who of them may
   * read the same besides is told the same.
   */
  whileLive(base: ChannelScope): ChannelScope {
    const own = this.over(base);
    if (own === base) return base;
    const queries = [...new Set([...this.#open.values()].map(({ shared }) => shared))];
    const keys = queries.map(({ key }) => key).toSorted();
    // A hundred queries of many terms each are a long text, and each who has them would keep it.
    const told = digestOf(JSON.stringify([base.told, this.#rights, keys]));
    const { bounds } = this.#readable;
    const shown = new Shown(base.leaves, this.#readable, queries);
    return { ...own, told, leaves: new Scope(own.leaves.patterns, [...bounds, shown]) };
  }

  /** A scope, and the rows of the windows. */
  over(base: ChannelScope): ChannelScope {
    if (this.isEmpty) return base;
    if (this.#over !== null && this.#base === base) return this.#over;
    this.#base = base;
    const rows = [...this.#open.values()].map(({ shared: { terms } }) =>
      patternOf(asGlob(`${globOf(terms.def.path, terms.query.params)}/**`)),
    );
    const { bounds } = this.#readable;
    const leaves = new Scope([...base.leaves.patterns, ...rows], [...bounds, this]);
    // No other channel has the same windows, nor has this one had them before: the scope is shared with nobody.
    const hash = `${base.hash} ${this.name} ${this.#config.room.nextNumber()}`;
    this.#over = { ...base, hash, told: hash, leaves };
    return this.#over;
  }

  /** What a push asks for, to be done at the head; or why not. */
  change(event: string, payload: unknown, answer: Answer): Wanted | Refusal {
    if (event === 'query_close') {
      const sub = readQueryClose(payload);
      return isRefusal(sub) ? sub : this.#closing(sub, answer);
    }
    const asked = readQueryOpen(payload);
    if (isRefusal(asked)) return asked;
    if (!this.#hasPlace(asked)) return refuse('invalid_query', { limit: QUERIES_MAX });
    return this.#opening(asked, answer);
  }

  /** Where there is no more place, one of a name may still take that of the one that has it. */
  #hasPlace({ sub }: QueryOpen): boolean {
    if (this.#holding.size < QUERIES_MAX) return true;
    return [...this.#holding].filter((each) => each.sub === sub).length === 1;
  }

  /** The channel is at the head from now on; what it missed comes first. */
  live(tree: Tree, head: Seq, flush: () => void): void {
    for (const each of this.#open.values()) {
      if (!isSame(each)) this.#reset(each, { tree, at: head });
    }
    this.#flush = flush;
    this.#unwatch = this.#config.evaluations.watch(this);
  }

  /** The channel reads the log, or is gone for a while. */
  pause(): void {
    this.#unwatch();
    this.#flush = null;
  }

  moved(tree: Tree, at: Seq): void {
    let isTold = false;
    for (const each of this.#open.values()) {
      const { step } = each.shared;
      if (step === null) continue;
      isTold = true;
      this.#tell(each, { tree, at, told: { ops: step } });
    }
    // All that came before is out; the events that reach it follow, be they empty.
    if (isTold) queueMicrotask(() => this.#flush?.());
  }

  close(): void {
    this.pause();
    for (const { shared } of this.#holding) this.#config.evaluations.release(shared);
    this.#holding.clear();
    this.#open.clear();
  }

  get #readable(): Scope {
    return this.#config.terms.grants?.read ?? everything;
  }

  #isRow(path: Path): boolean {
    return this.#held.size > 0 && upTo(path).some((object) => this.#held.has(object));
  }

  #closing(sub: string, answer: Answer): ScopeChange {
    return (_at, scope) => {
      const open = this.#open.get(sub);
      if (open !== undefined) this.#end(open);
      answer({});
      return { scope, addition: null };
    };
  }

  #end(open: OpenQuery): void {
    this.#hold(open, []);
    if (this.#open.get(open.sub) === open) this.#open.delete(open.sub);
    if (this.#holding.delete(open)) this.#config.evaluations.release(open.shared);
    this.#over = null;
  }

  #opening(asked: QueryOpen, answer: Answer): Wanted | Refusal {
    const { terms, room } = this.#config;
    const def = room.recordOf?.(terms.host, asked.record) ?? null;
    if (def === null) return refuse('unknown_record', { record: asked.record });
    const { refusal } = room.rates.read(terms.principal);
    if (refusal !== null) return refusal;
    const shared = this.#shared(def, asked);
    if (isRefusal(shared)) return shared;
    const open: OpenQuery = { sub: asked.sub, shared, rows: [], hasMore: false };
    this.#holding.add(open);
    const show: ScopeChange = (at, scope) => {
      const former = this.#open.get(asked.sub);
      this.#open.set(asked.sub, open);
      this.#base = scope;
      this.#over = null;
      answer({});
      const { tree } = terms.host.view();
      this.#reset(open, { tree, at, have: asked.have });
      if (former !== undefined) this.#end(former);
      return { scope, addition: this.#withdrawn(tree, asked.have, scope) };
    };
    return shared.loading === null ? show : shared.loading.then(() => show, failing);
  }

  #shared(def: RecordDef, { spec }: QueryOpen): SharedQuery | Refusal {
    const { evaluations, terms } = this.#config;
    try {
      const query = readQuery(def, spec);
      const hidden = terms.plan.scope.veil?.hiddenFields(def.name, query) ?? [];
      if (hidden.length > 0) return refuse('forbidden_field', { fields: hidden });
      return evaluations.hold({ def, query, readable: this.#readable });
    } catch (error) {
      if (!(error instanceof HoldfastError) || !isReason(error.code)) throw error;
      return refuse(error.code, { ...error.details, message: error.message });
    }
  }

  #reset(
    open: OpenQuery,
    { tree, at, have = {} }: { tree: Tree; at: Seq; have?: QueryOpen['have'] },
  ): void {
    const { rows } = open.shared.evaluation.window;
    this.#tell(open, { tree, at, have, told: { reset: true, rows } });
  }

  /** Tells of a window, with the rows of it that the channel had not in scope. */
  #tell(open: OpenQuery, { tree, at, have = {}, told }: Telling): void {
    const { rows, hasMore, endCursor } = open.shared.evaluation.window;
    const known = this.#isSure(tree, have) ? have : {};
    const fresh = rows.filter((path) => {
      if (this.#held.has(path) || this.#base.leaves.coversSubtree(path)) return false;
      const isKnown = Object.hasOwn(known, path);
      return !isKnown || known[path] !== readIn(tree, this.#readable, path)?.revision;
    });
    this.#hold(open, rows);
    open.hasMore = hasMore;
    const { topic, codec } = this.#config.terms;
    const { sub } = open;
    const encode = (): Buffer => {
      const content = contentOf(tree, fresh, this.#readable);
      const payload = { sub, at, ...told, ...content, has_more: hasMore, end_cursor: endCursor };
      return message(codec, [null, null, topic, 'query_delta', payload]);
    };
    const name = JSON.stringify([this.#rights, formatOf(codec), topic, sub, fresh]);
    this.#config.outbox.send('ops' in told ? open.shared.once(name, encode) : encode());
  }

  /** The rows that a client has, and of which nothing is to be seen any more: no entry of a delta would say so. */
  #withdrawn(tree: Tree, have: QueryOpen['have'], scope: ChannelScope): SnapshotPart | null {
    const rows = Object.keys(have)
      .map((path) => asPath(path))
      .filter((row) => this.#held.has(row) && readIn(tree, this.#readable, row) === undefined);
    const part = partOf(this.over(scope), rows.map(globUnder));
    return part && { ...part, isAddition: true };
  }

  /** Whether of what a client has of rows their revisions tell: what is hidden changes without a commit. */
  #isSure(tree: Tree, have: QueryOpen['have']): boolean {
    if (this.#base.veil === null) return true;
    const { outline, sight } = this.#config.terms.plan;
    const objects = Object.keys(have).map((path) => asPath(path));
    if (sight?.account.isSureOf(objects) === true) return true;
    return outline?.knows(objects, tree, this.#readable) === true;
  }

  #hold(open: OpenQuery, rows: readonly Path[]): void {
    for (const path of rows) this.#held.set(path, (this.#held.get(path) ?? 0) + 1);
    for (const path of open.rows) {
      const count = (this.#held.get(path) ?? 0) - 1;
      if (count > 0) this.#held.set(path, count);
      else this.#held.delete(path);
    }
    open.rows = rows;
  }
}

/** What a scope covers, and the rows that some queries show by now. */
class Shown implements Bound {
  readonly name = 'shown';
  readonly #base: Scope;
  readonly #readable: Scope;
  readonly #queries: readonly SharedQuery[];

  constructor(base: Scope, readable: Scope, queries: readonly SharedQuery[]) {
    this.#base = base;
    this.#readable = readable;
    this.#queries = queries;
  }

  covers(path: Path): boolean {
    return this.#base.covers(path) || (this.#isRow(path) && this.#readable.covers(path));
  }

  coversSubtree(path: Path): boolean {
    if (this.#base.coversSubtree(path)) return true;
    return this.#isRow(path) && this.#readable.coversSubtree(path);
  }

  reaches(path: Path): boolean {
    return this.#queries.some(({ isEmpty }) => !isEmpty) || this.#base.reaches(path);
  }

  #isRow(path: Path): boolean {
    return upTo(path).some((object) => this.#queries.some((query) => query.shows(object)));
  }
}

/** A path, and those above it. */
function upTo(path: Path): readonly Path[] {
  const paths = [path];
  for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- part of a path
    paths.push(path.slice(0, end) as Path);
  }
  return paths;
}

/** A change that fails as what it waited for has failed. */
function failing(error: unknown): ScopeChange {
  return () => {
    throw error;
  };
}

type Telling = {
  readonly tree: Tree;
  readonly at: Seq;
  readonly have?: QueryOpen['have'];
  readonly told:
    | { readonly reset: true; readonly rows: readonly Path[] }
    | { readonly ops: readonly RowOp[] };
};

function isSame({ shared, rows, hasMore }: OpenQuery): boolean {
  const { window } = shared.evaluation;
  return (
    window.hasMore === hasMore &&
    window.rows.length === rows.length &&
    window.rows.every((path, at) => path === rows[at])
  );
}

/** The leaves of objects, and the maps of them, as a snapshot has them (stores.md §10.3). */
function contentOf(
  tree: Tree,
  objects: readonly Path[],
  readable: Scope,
): { readonly entries: readonly unknown[]; readonly maps: readonly unknown[] } {
  const entries: unknown[] = [];
  const maps: unknown[] = [];
  for (const object of objects) {
    const scope = new Scope([patternOf(globUnder(object))]).within(readable);
    const rows = new MapRows(tree, scope);
    for (const entry of tree.entries({ under: object })) {
      if (!scope.covers(entry.path)) continue;
      rows.pass(entry);
      entries.push([entry.path, entry.value, entry.type, entry.revision]);
    }
    maps.push(...rows.finish());
  }
  return { entries, maps };
}
