import {
  childPath,
  isObject,
  isRefusal,
  type Json,
  type Mutation,
  parentOf,
  type Path,
  type RecordDef,
  type RecordRef,
  type Refusal,
  refuse,
  RejectedError,
  type StandardSchema,
  type TemplateParams,
  utf8Length,
  type Write,
  typedNameOf,
  versionPath,
} from '@holdfast/protocol';
import { canonicalJson, decodeStored, objectBytesMax, passRecord } from '@holdfast/protocol/record';
import {
  type Addition,
  type Caller,
  Consult,
  type Gate,
  type Proposal,
  type Question,
  type Ruling,
  type Tree,
} from '../data/index.ts';
import { isWritable, mergeMutation } from '../record/index.ts';
import { changedFields } from './fields.ts';
import {
  checkHidden,
  fieldsNamed,
  isMutationOf,
  screen,
  type Screening,
  writesOf,
} from './hidden.ts';
import { filesMade, nameOf, withoutFound } from './made-files.ts';
import { isOutdated, migrationOf } from './migration.ts';
import { runMutation } from './mutation.ts';
import { type Placed, Places } from './places.ts';
import { askRule, intentsOn, notAllowed, type WriteRule } from './rules.ts';
import { type HiddenParts, passLater, schemaRefusal, veiledRefusal } from './schemas.ts';
import { recordedVersion, skewOf } from './versions.ts';

/** A record of a store, and what its authority adds to the definition. */
export type GatedRecord = {
  readonly def: RecordDef;
  /** The parameters that the name of the store gives. */
  readonly params: TemplateParams;
  /** Asked after the definition's own, and may take its time. */
  readonly writeSchema: StandardSchema<unknown> | null;
  readonly write: WriteRule | null;
  /** Mutations of the server, which win over those of the definition. */
  readonly mutations: { readonly [name: string]: Mutation };
};

/** An object of a record that a proposal changes. */
type Touched = {
  readonly record: GatedRecord;
  readonly ref: RecordRef;
  readonly before: Json | undefined;
  readonly after: Json | undefined;
};

const reservedRoot = parentOf(versionPath(''));

/**
 * The gate of all records of a store (records.md §5, §11.3).
 *
 * 1. What is committed passes the schema of every record whose object it changes, whoever wrote it.
 * 2. What a client wrote passes the write rule too, and changes no field that is not a client's.
 * 3. The version at rest is written with the first object that is, and is of the definition's major.
 */
export class RecordGate implements Gate {
  readonly #byName = new Map<string, GatedRecord>();
  readonly #places: Places<GatedRecord>;

  constructor(records: readonly GatedRecord[]) {
    for (const record of records) this.#byName.set(record.def.name, record);
    const places = records.map((item) => ({ template: item.def.path, item }));
    this.#places = new Places(places);
  }

  /** The records whose objects at rest are of an older version than their definition. */
  outdated(tree: Tree): readonly string[] {
    return [...this.#byName.values()].flatMap(({ def }) =>
      isOutdated(tree, def) ? [def.name] : [],
    );
  }

  migrate({ tree, request }: Parameters<Gate['migrate']>[0]): readonly Write[] | Refusal {
    const record = this.#byName.get(request.record);
    return record === undefined ? [] : migrationOf(tree, record.def);
  }

  mutate({
    tree,
    request,
    caller,
    opId,
    at,
  }: Parameters<Gate['mutate']>[0]): ReturnType<Gate['mutate']> {
    const record = this.#byName.get(request.record);
    const placed = this.#places.around(request.path).find((each) => each.item === record);
    if (record === undefined || placed?.path !== request.path) {
      return refuse('unknown_record', { record: request.record });
    }
    return runMutation({
      def: record.def,
      request,
      current: tree.read(request.path)?.value,
      env: { opId, now: at },
      isBound: isBound(caller),
      overrides: record.mutations,
    });
  }

  screen(of: Screening): Refusal | null {
    return screen(this.#places, of);
  }

  judge(proposal: Proposal): Ruling {
    const touched = this.#touchedBy(proposal);
    if (isRefusal(touched)) return touched;
    const skew = this.#skew(proposal, touched);
    if (skew !== null) return skew;
    const questions: Question[] = [];
    for (const each of touched) {
      const refusal = judgeObject(each, proposal, questions);
      const isLine = proposal.request.op === 'import';
      if (refusal !== null) return isLine ? ofObject(refusal, each) : refusal;
    }
    const refusal = judgeFiles(proposal, questions);
    if (refusal !== null) return refusal;
    return questions.length > 0 ? new Consult(questions) : versionsOf(touched, proposal);
  }

  #touchedBy({ changes, before, after }: Proposal): readonly Touched[] | Refusal {
    const found = new Map<string, Placed<GatedRecord>>();
    for (const { path } of changes) {
      for (const each of this.#places.around(path)) {
        found.set(`${each.item.def.name} ${each.path}`, each);
      }
    }
    const touched: Touched[] = [];
    for (const { item: record, path, params } of found.values()) {
      const ref = refOf(record, params);
      if (isRefusal(ref)) return ref.with({ path });
      const [was, is] = [before.read(path)?.value, after.read(path)?.value];
      touched.push({ record, ref, before: was, after: is });
    }
    return touched;
  }

  /** Rollbacks and imports may bring an older version back. */
  #skew(
    { changes, before, after, request }: Proposal,
    touched: readonly Touched[],
  ): Refusal | null {
    // Lines of an import are refused by what they are of.
    const isLine = request.op === 'import';
    for (const each of touched) {
      const { def } = each.record;
      const skew = skewOf(def, recordedVersion(before, def));
      if (skew !== null) return isLine ? ofObject(skew, each) : skew;
    }
    if (!changes.some(({ path }) => parentOf(path) === reservedRoot)) return null;
    for (const { def } of this.#byName.values()) {
      const skew = skewOf(def, recordedVersion(after, def));
      if (skew !== null) return isLine ? skew.with({ path: versionPath(def.name) }) : skew;
    }
    return null;
  }
}

/** Of many lines, the refusal is about those of one object. */
function ofObject(refusal: Refusal, { record, ref }: Touched): Refusal {
  return refusal.with({ record: record.def.name, path: ref.path });
}

function isBound(caller: Caller | null): boolean {
  return caller !== null && !caller.isExempt;
}

function refOf({ def, params: ofStore }: GatedRecord, params: TemplateParams): RecordRef | Refusal {
  try {
    return def.ref({ ...ofStore, ...params });
  } catch (error) {
    if (!(error instanceof RejectedError)) throw error;
    return refuse('invalid_params', { ...error.details, record: def.name });
  }
}

/** What the authority adds to a commit: the versions of records of which this is the first object. */
function versionsOf(touched: readonly Touched[], { before, after }: Proposal): readonly Addition[] {
  const additions = new Map<Path, Addition>();
  for (const { record, after: value } of touched) {
    const { def } = record;
    if (value === undefined || def.version === '*') continue;
    if ((recordedVersion(before, def) ?? recordedVersion(after, def)) !== null) continue;
    const path = versionPath(def.name);
    additions.set(path, { path, value: def.version });
  }
  return [...additions.values()];
}

/** An envelope is one leaf, and has no fields, whatever a schema would let pass (records.md §3.3). */
function objectOrNull(value: Json): Json {
  return isObject(value) && typedNameOf(value) === null ? value : null;
}

/** Why an object may not become what a proposal makes of it; what has to be asked first is added to the questions. */
function judgeObject(of: Touched, proposal: Proposal, questions: Question[]): Refusal | null {
  const verdict =
    ruleOf(of, proposal, questions) ??
    checkHidden({ ...of, def: of.record.def, path: of.ref.path }, proposal) ??
    checkFields(of, proposal);
  if (verdict !== null || of.after === undefined) return verdict;
  const { record, ref, after } = of;
  const veiled = (refusal: Refusal): Refusal => {
    const hidden = hiddenParts(of, proposal);
    return hidden === null ? refusal : veiledRefusal(refusal, hidden);
  };
  if (utf8Length(JSON.stringify(after)) > objectBytesMax) {
    return refuse('value_too_large', { limit: objectBytesMax });
  }
  const passed = passRecord(record.def, objectOrNull(after));
  if ('issue' in passed) {
    return veiled(schemaRefusal(record.def, ref.path, passed.issues));
  }
  if (record.writeSchema === null) return null;
  const key = `schema ${record.def.name} ${ref.path} ${canonicalJson(after)}`;
  const { writeSchema } = record;
  const later = settle(key, proposal, {
    ask: () =>
      passLater(record.def, ref.path, {
        schema: writeSchema,
        value: decodeStored(after),
        isForServer: proposal.caller === null,
      }),
    questions,
  });
  return later && veiled(later);
}

/** What is hidden of an object as it stands; null: whoever asks sees all, or there is nothing yet. */
function hiddenParts(
  { record, ref, before: value }: Touched,
  { caller, before }: Proposal,
): HiddenParts | null {
  const veil = caller?.veil ?? null;
  if (veil === null || value === undefined) return null;
  const ruled = Object.keys(record.def.visibility ?? {});
  /** The paths at which something is hidden, or below which it is. */
  const above = new Set<Path>();
  for (const { path } of before.entries({ under: ref.path })) {
    if (veil.covers(path)) continue;
    let at: Path | null = path;
    while (at !== null && !above.has(at)) {
      above.add(at);
      at = parentOf(at);
    }
  }
  return {
    fields: (named) => veil.hiddenOf(ref.path, value, [...ruled, ...named]),
    isAt: (place) => {
      const path = place.map(String).reduce(childPath, ref.path);
      return above.has(path) || !veil.covers(path);
    },
  };
}

/** The files that mutations make are named by whoever asks, as those of a write are (stores.md §14.4). */
function judgeFiles(proposal: Proposal, questions: Question[]): Refusal | null {
  const made = filesMade(proposal);
  if (made.length === 0) return null;
  const { files } = proposal;
  if (files === null) return refuse('unknown_file');
  const ask = async (): Promise<Refusal | null> => {
    const refusal = await files(made);
    return refusal && withoutFound(refusal, proposal);
  };
  return settle(`files ${made.map(nameOf).join()}`, proposal, { ask, questions });
}

type Asking = {
  readonly ask: () => Refusal | null | Promise<Refusal | null>;
  readonly questions: Question[];
};

/** The verdict, where it is known or comes at once; else a question. */
function settle(key: string, { advice }: Proposal, { ask, questions }: Asking): Refusal | null {
  const known = advice.get(key);
  if (known !== undefined) return known;
  const verdict = ask();
  if (!(verdict instanceof Promise)) return verdict;
  questions.push({ key, verdict });
  return null;
}

/** The write rule, for each op of a client that bears on the object. */
function ruleOf(of: Touched, proposal: Proposal, questions: Question[]): Refusal | null {
  const { record, ref, before } = of;
  const { caller, at } = proposal;
  const { write } = record;
  if (caller === null || write === null) return null;
  const ctx = { principal: caller.principal, now: at };
  const current = before && decodeStored(before);
  const state = before === undefined ? '' : canonicalJson(before);
  for (const [index, intent] of intentsOn(proposal.request, ref.path).entries()) {
    const key = `write ${index} ${record.def.name} ${ref.path} ${state}`;
    const ask: Asking['ask'] = () =>
      askRule(() => write(ctx, ref, intent, current), notAllowed(record.def, ref.path));
    const refusal = settle(key, proposal, { ask, questions });
    if (refusal !== null) return refusal;
  }
  return null;
}

/**
 * The fields that a client changed and may not (records.md §12). To remove the object is no change of a field. What a
 * mutation of the server did was its own to do; beside one, ops are judged by what they name.
 */
function checkFields({ record, ref, before, after }: Touched, proposal: Proposal): Refusal | null {
  const { def, mutations } = record;
  if (!isBound(proposal.caller) || def.authority === null || after === undefined) return null;
  const writes = writesOf(proposal.request);
  const isOwn = (write: (typeof writes)[number]): boolean =>
    isMutationOf(write, def) &&
    write.name !== mergeMutation &&
    Object.hasOwn(mutations, write.name);
  const changed = writes.some(isOwn)
    ? writes
        .filter((each) => each.op !== 'mutate')
        .flatMap((each) => fieldsNamed(each, ref.path, before))
    : changedFields(before, after);
  const fields = [...new Set(changed)].filter((field) => !isWritable(def, field));
  return fields.length === 0 ? null : refuse('forbidden_field', { fields });
}
