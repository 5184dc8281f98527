import {
  type GatedRecord,
  type ReadClass,
  type ReadRule,
  RecordGate,
  Veil,
  type WriteRule,
} from '@holdfast/engine/gate';
import {
  type EpochMs,
  type Json,
  type Mutation,
  parseStoreName,
  type Path,
  type RecordDef,
  type RecordRef,
  recordsByName,
  type Refusal,
  type StandardSchema,
  type StoreName,
  type TemplateParams,
  RejectedError,
} from '@holdfast/protocol';
import { seesAll, type Viewer } from '../access/index.ts';
import { viewerName } from './viewer-name.ts';

/** What a server adds to a definition. */
export type Declared = {
  readonly def: RecordDef;
  readonly writeSchema: StandardSchema<unknown> | null;
  readonly write: WriteRule | null;
  readonly read: ReadRule | null;
  readonly readClass: ReadClass | null;
  readonly mutations: { readonly [name: string]: Mutation };
};

/** Something of a record that failed and that nobody waits for (records.md §5). */
export type RecordFault = {
  readonly phase: 'migrate' | 'outbound' | 'run' | 'parse' | 'visibility';
  readonly record: string;
  readonly store?: string;
  readonly error: unknown;
};

/** The gate of one store, which tells of migrations that fail. */
class StoreGate extends RecordGate {
  readonly #store: StoreName;
  readonly #tell: (fault: RecordFault) => void;

  constructor(
    records: readonly GatedRecord[],
    of: { store: StoreName; tell: (f: RecordFault) => void },
  ) {
    super(records);
    this.#store = of.store;
    this.#tell = of.tell;
  }

  failed(record: string, { code, details }: Refusal): void {
    const { message, path } = details;
    const why = typeof message === 'string' ? message : 'it was not migrated';
    const at = typeof path === 'string' ? ` at ${path}` : '';
    const error = new RejectedError(code, details, `${code}${at}: ${why}`);
    this.#tell({ phase: 'migrate', record, store: this.#store, error });
  }
}

function plain(def: RecordDef): Declared {
  return { def, writeSchema: null, write: null, read: null, readClass: null, mutations: {} };
}

/** Whether not everybody sees all of it. */
function doesHide({ def, read }: Declared): boolean {
  return (def.visibility ?? read) !== null;
}

/** Whether services may do more with it than others. */
function doesBind(declared: Declared): boolean {
  return doesHide(declared) || declared.def.authority !== null;
}

const VEILED_MAX = 1000;

/** A declared record in one store. */
type Placed = Declared & GatedRecord;

/** A store that somebody looks at. */
type Viewed = {
  readonly name: StoreName;
  /** What is committed at a path. */
  readonly valueAt: (path: Path) => Json | undefined;
};

/** The records of a server: what it declared, and what that means for each store. */
export class Records {
  readonly #tell: (fault: RecordFault) => void;
  readonly #now: () => EpochMs;
  #hasVeils = false;
  /** Records of the app to which the server has added nothing yet. */
  #ofApp: Set<RecordDef> = new Set();
  #declared: readonly Declared[] = [];
  /** Of the stores that were looked at last: the records of which not everybody sees all. */
  readonly #veiled = new Map<StoreName, readonly Placed[]>();
  #isInUse = false;

  /** Those of the app are gated from the start, though a server has nothing to add to them. */
  constructor(
    ofApp: readonly RecordDef[],
    how: { readonly tell: (fault: RecordFault) => void; readonly now: () => EpochMs },
  ) {
    this.#tell = how.tell;
    this.#now = how.now;
    for (const def of ofApp) this.declare(plain(def));
    this.#ofApp = new Set(ofApp);
  }

  /**
   * Adds a record, or what the server adds to one of the app. Throws a `TypeError` for a second one of its name or place,
   * and once a store has been opened.
   */
  declare(declared: Declared): void {
    if (this.#isInUse) {
      throw new TypeError(
        'Records are declared before a store is opened: right after createServer.',
      );
    }
    const isOfApp = this.#ofApp.delete(declared.def);
    const others = this.#declared.filter(({ def }) => !isOfApp || def !== declared.def);
    const all = [...others, declared];
    recordsByName(all.map(({ def }) => def));
    if (others.some(({ def }) => def.name === declared.def.name)) {
      throw new TypeError(`The record "${declared.def.name}" is declared already.`);
    }
    this.#declared = all;
    this.#veiled.clear();
    this.#hasVeils ||= doesHide(declared);
  }

  /** The gate of a store; null where no record is in it. */
  gateOf({ name }: { readonly name: StoreName }): StoreGate | null {
    this.#isInUse = true;
    const records = this.#in(name);
    return records.length === 0 ? null : new StoreGate(records, { store: name, tell: this.#tell });
  }

  /** What is hidden from a principal in a store; null: nothing, whatever the values are. */
  veilOf(principal: Viewer, { name, valueAt }: Viewed): Veil | null {
    if (!this.#hasVeils || seesAll(principal)) return null;
    const records = this.#veiledIn(name);
    if (records.length === 0) return null;
    return new Veil({
      records,
      name: viewerName(principal),
      principal: { ...principal },
      now: this.#now,
      valueAt,
      tell: (record, error) => this.#tell({ phase: 'visibility', record, store: name, error }),
    });
  }

  /** The same of a store that is known by its row. */
  veilIn(
    principal: Viewer,
    store: Pick<Viewed, 'valueAt'> & { readonly row: Pick<Viewed, 'name'> },
  ): Veil | null {
    return this.veilOf(principal, {
      name: store.row.name,
      valueAt: (path) => store.valueAt(path),
    });
  }

  /** Whether records of a store, of any where none is said, hide something from a principal or keep fields from it that services may write. */
  binds(principal: Viewer, store: StoreName | null): boolean {
    if (seesAll(principal)) return false;
    const records = store === null ? this.#declared : this.#in(store);
    return records.some(doesBind);
  }

  /** The records that are in a store. */
  of(store: StoreName): readonly RecordDef[] {
    return this.#in(store).map(({ def }) => def);
  }

  /** The record that a key names; null: none. Throws `invalid_params`. */
  refOf(key: string): RecordRef | null {
    const [, name = '', path = ''] = /^rec\/([^/]+\/[^/]+)\/(.+)$/.exec(key) ?? [];
    const store = parseStoreName(name);
    if (store === null) return null;
    for (const { def } of this.#in(store)) {
      const params = def.match(path, store);
      if (params !== null) return def.ref(params);
    }
    return null;
  }

  /** A record of a store by its name. */
  find(store: StoreName, name: string): RecordDef | null {
    return this.#in(store).find(({ def }) => def.name === name)?.def ?? null;
  }

  /** The same list for each viewer of a store: what is found out about a path for one is known for all. */
  #veiledIn(store: StoreName): readonly Placed[] {
    const known = this.#veiled.get(store);
    if (known !== undefined) return known;
    if (this.#veiled.size === VEILED_MAX) this.#veiled.clear();
    const records = this.#in(store).filter(doesHide);
    this.#veiled.set(store, records);
    return records;
  }

  #in(store: StoreName): readonly Placed[] {
    return this.#declared.flatMap((declared) => {
      const params = storeParams(declared.def, store);
      return params === null ? [] : [{ ...declared, params }];
    });
  }
}

/** What the name of a store is for the template of a record; null where it does not fit. */
export function storeParams(
  def: Pick<RecordDef, 'store'>,
  store: StoreName,
): TemplateParams | null {
  const pieces = store.split('/');
  const parts = def.store.split('/');
  const params: { [name: string]: string } = {};
  for (const [at, part] of parts.entries()) {
    const piece = pieces[at] ?? '';
    if (part.startsWith(':')) params[part.slice(1)] = piece;
    else if (part !== piece) return null;
  }
  return params;
}
