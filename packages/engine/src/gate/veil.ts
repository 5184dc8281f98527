import {
  type EpochMs,
  globOf,
  isObject,
  isPromised,
  isRefusal,
  type Json,
  parseGlob,
  type Path,
  type Pattern,
  type Query,
  type RecordContext,
  type RecordDef,
  type RecordRef,
  type TemplateParams,
  unescapeSegment,
} from '@holdfast/protocol';
import { decodeStored } from '@holdfast/protocol/record';
import { fieldsOf } from '../collection/index.ts';
import { type Bound, Scope } from '../data/index.ts';
import { KnownPlaces } from './known-places.ts';
import type { Placed, Places } from './places.ts';

/** Whether somebody may read a record: of its arguments only; anything but `true` hides it (records.md §17). */
export type ReadRule = (ctx: RecordContext, ref: RecordRef, value: unknown) => unknown;

/** The class of a viewer, a text: the read rule says the same to all of one class (records.md §14.2.3). */
export type ReadClass = (ctx: RecordContext) => unknown;

/** A record of which not everybody sees all. */
export type VeiledRecord = {
  readonly def: RecordDef;
  /** The parameters that the name of the store gives. */
  readonly params: TemplateParams;
  readonly read: ReadRule | null;
  /** Viewers of equal classes see the same rows; null: each by itself. */
  readonly readClass?: ReadClass | null;
};

/** A viewer, and what it looks at. */
export type VeilConfig = {
  readonly records: readonly VeiledRecord[];
  /** Stands for the viewer: those of equal names see the same. */
  readonly name: string;
  readonly principal: RecordContext['principal'];
  readonly now: () => EpochMs;
  /** What is committed at a path. */
  readonly valueAt: (path: Path) => Json | undefined;
  /** Hears of rules that throw, or say neither yes nor no. */
  readonly tell: (record: string, error: unknown) => void;
};

/** What a viewer sees of one value of one object. */
type Sight = {
  readonly path: Path;
  /** The read rule lets it pass. */
  readonly isOpen: boolean;
  readonly sees: (field: string) => boolean;
  /** Whether nothing of it is hidden, nor would be of what is added. */
  readonly isWhole: boolean;
};

/**
 * What one viewer sees of the records of a store, as read path rules that follow from the values (records.md §17). Rules are
 * asked once for each value of an object.
 */
export class Veil implements Bound {
  readonly name: string;
  /** The templates of the objects that it veils. */
  readonly templates: readonly string[];
  readonly #config: VeilConfig;
  readonly #places: Places<VeiledRecord>;
  /** By record, for several may be about one object, each with rules of its own. */
  readonly #sights: ReadonlyMap<VeiledRecord, WeakMap<object, Sight>>;
  /** The objects that it was asked about. */
  readonly #asked = new Set<Path>();
  /** What fails was told of when it was asked first. */
  #isQuiet = false;
  /** Of the state that is looked at. */
  #valueAt: VeilConfig['valueAt'];

  constructor(config: VeilConfig) {
    this.#config = config;
    this.#valueAt = config.valueAt;
    this.name = config.name;
    this.templates = config.records.map(({ def }) => def.path);
    this.#sights = new Map(config.records.map((item) => [item, new WeakMap()]));
    this.#places = placesOf(config.records);
  }

  /** One like it, that is asked by somebody else. */
  twin(): Veil {
    return new Veil(this.#config);
  }

  /**
   * Names which rows of a record are seen: viewers of equal names see the same. Where more than its read rule hides
   * something of them, that is the viewer alone.
   */
  rowsName(record: string): string {
    const { records, principal, now } = this.#config;
    const item = records.find(({ def }) => def.name === record);
    if (!item?.readClass || item.def.visibility !== null) return this.name;
    const { def, readClass } = item;
    if (records.some((each) => each !== item && doMeet(each.def.path, def.path))) return this.name;
    try {
      const said = readClass({ principal, now: now() });
      if (typeof said === 'string') return `class ${said}`;
      if (isPromised(said)) throw new TypeError('A read class cannot be async.');
      throw new TypeError('A read class must be a text.');
    } catch (error) {
      this.#config.tell(record, error);
      return this.name;
    }
  }

  /** What is committed at a path now. */
  now(path: Path): Json | undefined {
    return this.#config.valueAt(path);
  }

  /** Looks at another state meanwhile. */
  asOf<T>(valueAt: VeilConfig['valueAt'], look: () => T): T {
    const former = this.#valueAt;
    this.#valueAt = valueAt;
    try {
      return look();
    } finally {
      this.#valueAt = former;
    }
  }

  covers(path: Path): boolean {
    return this.#places.around(path).every((placed) => this.#shows(placed, path, false));
  }

  coversSubtree(path: Path): boolean {
    if (this.#places.lieBelow(path)) return false;
    return this.#places.around(path).every((placed) => this.#shows(placed, path, true));
  }

  reaches(path: Path): boolean {
    return this.covers(path);
  }

  /** Whether something that a pattern covers may be hidden, whatever the values are. */
  mayHide(pattern: Pattern): boolean {
    const globs = this.templates.map((each) => parseGlob(`${globOf(each, {})}/**`));
    return globs.some((glob) => !isRefusal(glob) && new Scope([glob]).meets(pattern));
  }

  /** Whether something at a path or below it is an object's, or has one below it. */
  concerns(path: Path): boolean {
    return this.#places.around(path).length > 0 || this.#places.lieBelow(path);
  }

  /** The veiled objects at a path or above it. */
  objectsAround(path: Path): readonly Path[] {
    return this.#places.around(path).map((placed) => placed.path);
  }

  /** The objects that it was asked about, as far as they are still there. */
  *asked(): Generator<Path> {
    for (const object of this.#asked) {
      if (this.now(object) === undefined) this.#asked.delete(object);
      else yield object;
    }
  }

  /** Whether it was ever asked about an object: of others nobody has been shown anything. */
  wasAsked(object: Path): boolean {
    return this.#asked.has(object);
  }

  /** Asks the rules once more about an object as it is; says whether they show another part of it than they did. */
  hasChanged(object: Path): boolean {
    const value = this.now(object);
    if (!isObject(value)) return false;
    // Each of them, so that all are asked.
    const changed = this.#at(object).map((placed) => {
      const was = this.#known(placed, value);
      this.#isQuiet = was !== null;
      const is = this.#look(placed, value);
      this.#sights.get(placed.item)?.set(value, is);
      return was !== null && differs(was, is, Object.keys(value));
    });
    this.#isQuiet = false;
    return changed.includes(true);
  }

  /** Whether a change of an object's value has shown or hidden something of it that was there before, and still is. */
  hasTurned(object: Path, before: Json | undefined, after: Json | undefined): boolean {
    if (!isObject(before) || !isObject(after)) return false;
    const fields = Object.keys(before).filter((field) => Object.hasOwn(after, field));
    const [was, is] = [this.#shownOf(object, before), this.#shownOf(object, after)];
    return fields.some((field) => was(field) !== is(field));
  }

  /** Whether of a value that an object had, another part is shown than of the one that it has now, as far as both have it. */
  isShownOtherwise(object: Path, value: Json | undefined): boolean {
    return this.hasTurned(object, value, this.now(object));
  }

  /** Whether a change has taken something from an object that was shown. */
  hasTaken(object: Path, before: Json | undefined, after: Json | undefined): boolean {
    if (!isObject(before)) return false;
    const gone = Object.keys(before).filter(
      (field) => !isObject(after) || !Object.hasOwn(after, field),
    );
    return gone.some(this.#shownOf(object, before));
  }

  /** The members of an object that are hidden, and those of some more that would be. */
  hiddenOf(object: Path, value: Json | undefined, more: readonly string[] = []): readonly string[] {
    if (!isObject(value)) return [];
    return [...new Set([...Object.keys(value), ...more])].filter(this.hides(object, value));
  }

  /** Whether a member of an object is hidden, or would be; of what is no object none is. */
  hides(object: Path, value: Json | undefined): (field: string) => boolean {
    if (!isObject(value)) return () => false;
    const isShown = this.#shownOf(object, value);
    return (field) => !isShown(field);
  }

  /** The fields of a query that are not seen of every row (records.md §14.2.4). */
  hiddenFields(record: string, { params, where, orderBy }: Query): readonly string[] {
    const item = this.#config.records.find(({ def }) => def.name === record);
    if (item === undefined || item.def.visibility === null) return [];
    // Of no object: the read rule, which is about one, is not asked.
    const sees = this.#visible(item.def, { ...item.params, ...params }, {});
    const fields = [...fieldsOf(where), ...orderBy.map(([field]) => field)];
    return [...new Set(fields)].filter((field) => !sees(field));
  }

  #at(object: Path): readonly Placed<VeiledRecord>[] {
    return this.#places.around(object).filter(({ path }) => path === object);
  }

  /** Which members of an object are shown by all the records that it is of. */
  #shownOf(object: Path, value: Json): (field: string) => boolean {
    const sights = this.#at(object).map((placed) => this.#sightOf(placed, value));
    return (field) => sights.every(({ isOpen, sees }) => isOpen && sees(field));
  }

  #shows(placed: Placed<VeiledRecord>, path: Path, isAll: boolean): boolean {
    const sight = this.#sightOf(placed, this.#valueAt(placed.path));
    if (!sight.isOpen || path === placed.path) return sight.isOpen && (!isAll || sight.isWhole);
    const [field = ''] = path.slice(placed.path.length + 1).split('/', 1);
    return sight.sees(unescapeSegment(field));
  }

  #known({ item, path }: Placed<VeiledRecord>, value: object): Sight | null {
    const known = this.#sights.get(item)?.get(value);
    return known?.path === path ? known : null;
  }

  #sightOf(placed: Placed<VeiledRecord>, value: Json | undefined): Sight {
    const known = isObject(value) ? this.#known(placed, value) : null;
    if (known !== null) return known;
    this.#asked.add(placed.path);
    const sight = this.#look(placed, value);
    if (isObject(value)) this.#sights.get(placed.item)?.set(value, sight);
    return sight;
  }

  #look({ item, path, params: own }: Placed<VeiledRecord>, value: Json | undefined): Sight {
    const { def, params: ofStore, read } = item;
    const { principal, now } = this.#config;
    const params = { ...ofStore, ...own };
    const native = isObject(value) ? decodeStored(value) : {};
    const ctx = { principal, now: now() };
    const isOpen = read === null || this.#asks(def, () => read(ctx, def.ref(params), native));
    const sees = this.#visible(def, params, native);
    if (def.visibility === null) return { path, isOpen, sees, isWhole: isOpen };
    const fields = new Set([...Object.keys(def.visibility), ...Object.keys(Object(native)), '*']);
    return { path, isOpen, sees, isWhole: isOpen && [...fields].every(sees) };
  }

  /** Which fields of a value the definition shows; each rule is asked once. */
  #visible(def: RecordDef, params: TemplateParams, value: unknown): (field: string) => boolean {
    const { visibility } = def;
    // Of each of thousands of objects this is kept for each of thousands of viewers: nothing of its value with it.
    if (visibility === null) return seesEach;
    const { principal, now } = this.#config;
    const view = { principal, now: now(), params, value };
    const said = new Map<string, boolean>();
    const ask = (field: string): boolean => {
      const name = Object.hasOwn(visibility, field) ? field : '*';
      const rule = Object.hasOwn(visibility, name) ? visibility[name] : undefined;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the context of this definition's rules
      return rule !== undefined && this.#asks(def, () => rule(view as never));
    };
    return (field) => {
      const known = said.get(field);
      if (known !== undefined) return known;
      const isSeen = ask(field);
      said.set(field, isSeen);
      return isSeen;
    };
  }

  /** Only `true` is yes; what is no answer is told of. */
  #asks({ name }: RecordDef, ask: () => unknown): boolean {
    try {
      const said = ask();
      if (said === true || said === false) return said;
      if (isPromised(said)) throw new TypeError('A rule cannot be async.');
      throw new TypeError('A rule must say true or false.');
    } catch (error) {
      if (!this.#isQuiet) this.#config.tell(name, error);
    }
    return false;
  }
}

/** The same for all viewers of a store, who ask about the same paths. */
function placesOf(records: VeilConfig['records']): Places<VeiledRecord> {
  const known = shared.get(records);
  if (known !== undefined) return known;
  const places = new KnownPlaces(records.map((item) => ({ template: item.def.path, item })));
  shared.set(records, places);
  return places;
}

const shared = new WeakMap<VeilConfig['records'], Places<VeiledRecord>>();

function seesEach(): boolean {
  return true;
}

/** Whether an object of one template may lie within one of the other. */
function doMeet(one: string, other: string): boolean {
  const [parts, others] = [one.split('/'), other.split('/')];
  return parts.every((part, at) => {
    const its = others[at];
    return its === undefined || part === its || part.startsWith(':') || its.startsWith(':');
  });
}

/** Whether one shows another part of some fields than the other. */
function differs(some: Sight, others: Sight, fields: readonly string[]): boolean {
  return fields.some(
    (field) => (some.isOpen && some.sees(field)) !== (others.isOpen && others.sees(field)),
  );
}
