import { isLease } from '@holdfast/engine/data';
import {
  asPath,
  type Fence,
  isPlainObject,
  type Json,
  jsonEquals,
  type Leaf,
  type LeafType,
  type Op,
  type Path,
  setOwn,
  typeOfValue,
  type Write,
} from '@holdfast/protocol';

/** What the specification says, in the plainest code that says it: a Map from path to leaf, and tests of prefixes. */
export class Model {
  readonly leaves: Map<Path, Leaf>;
  readonly maps: Map<Path, number>;

  constructor(from?: Model) {
    this.leaves = new Map(from?.leaves);
    this.maps = new Map(from?.maps);
  }

  under(path: string): Path[] {
    return [...this.leaves.keys()].filter((leaf) => leaf === path || isBelow(leaf, path));
  }

  hasBelow(path: string): boolean {
    return this.under(path).some((leaf) => leaf !== path);
  }

  revision(path: Path): number | undefined {
    return this.leaves.get(path)?.revision ?? this.maps.get(path);
  }

  read(
    path: Path,
  ): { readonly value: Json; readonly type: string; readonly revision: number } | undefined {
    const revision = this.maps.get(path);
    if (revision === undefined) return this.leaves.get(path);
    const value: { [key: string]: Json } = {};
    for (const segment of new Set(this.under(path).map((leaf) => childSegment(leaf, path)))) {
      setOwn(value, unescape(segment), this.read(asPath(`${path}/${segment}`))?.value ?? null);
    }
    return { value, type: 'map', revision };
  }

  sorted(): Path[] {
    return [...this.leaves.keys()].toSorted((a, b) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    );
  }

  /** Maps whose revision no leaf below them has. */
  hollow(): [Path, number][] {
    return [...this.maps].filter(([path, revision]) =>
      this.under(path).every((leaf) => (this.leaves.get(leaf)?.revision ?? 0) < revision),
    );
  }

  /** stores.md §4.4; `exact`: a replica that touches only the exact path, unless a map is set (§4.3.4). */
  apply(op: Op, exact = false): void {
    const gone = this.#removedBy(op, exact);
    const written = writtenBy(op);
    for (const path of gone) this.leaves.delete(path);
    for (const [path, value] of written) {
      this.leaves.set(path, { value, type: typeBy(op.op, value), revision: op.seq });
    }
    this.#touch([...gone, ...written.map(([path]) => path)], op.seq);
  }

  #removedBy({ op, path, value }: Op, exact: boolean): Path[] {
    if (op === 'delete' || op === 'release') return this.under(path);
    if (op === 'set') return exact && !isPlainObject(value) ? [] : this.under(path);
    const keys = op === 'merge' ? Object.keys(value ?? {}) : [];
    return keys.flatMap((key) => this.under(`${path}/${escape(key)}`));
  }

  #touch(changed: readonly Path[], seq: number): void {
    for (const path of changed.flatMap(ancestors)) this.maps.set(path, seq);
    for (const path of this.maps.keys()) if (!this.hasBelow(path)) this.maps.delete(path);
  }
}

function writtenBy({ op, path, value }: Op): [Path, Json][] {
  if (op === 'delete' || op === 'release') return [];
  const isEmptyMerge = op === 'merge' && Object.keys(value ?? {}).length === 0;
  if (isEmptyMerge) return [];
  return op === 'merge' || op === 'set' ? leavesOf(path, value) : [[path, value]];
}

export function ancestors(path: string): Path[] {
  const pieces = path.split('/');
  return pieces.slice(1).map((_, index) => asPath(pieces.slice(0, index + 1).join('/')));
}

export function isBelow(path: string, above: string): boolean {
  return path.startsWith(`${above}/`);
}

export function leavesOf(path: Path, value: Json): [Path, Json][] {
  if (!isPlainObject(value) || Object.keys(value).length === 0) return [[path, value]];
  return Object.entries(value).flatMap(([key, child]) =>
    leavesOf(asPath(`${path}/${escape(key)}`), child),
  );
}

export function escape(segment: string): string {
  return segment.replaceAll('~', '~0').replaceAll('/', '~1');
}

function unescape(segment: string): string {
  return segment.replaceAll('~1', '/').replaceAll('~0', '~');
}

function childSegment(leaf: string, path: string): string {
  return leaf.slice(path.length + 1).split('/')[0] ?? '';
}

function typeBy(op: Op['op'], value: Json): LeafType {
  if (op === 'increment') return 'counter';
  if (op === 'add' || op === 'remove') return 'set';
  if (op === 'lease' || op === 'renew') return 'lease';
  return typeOfValue(value);
}

/** What a write should come to: a refusal's code, null for a release of nothing, or the ops as [op, path, value]. */
export type Verdict = string | null | (readonly [Op['op'], Path, Json])[];

type Situation = { readonly head: number; readonly at: number; readonly fences: readonly Fence[] };

export function judgeGuards(model: Model, write: Write, at: number): string | null {
  if ('fence' in write && write.fence !== undefined) {
    const lease = leaseAt(model, write.fence.key);
    if (lease?.token !== write.fence.token || at >= lease.expires_at) return 'fenced';
  }
  if ('ifMatch' in write && write.ifMatch !== model.revision(write.path)) return 'conflict';
  return 'ifAbsent' in write && model.under(write.path).length > 0 ? 'exists' : null;
}

/** stores.md §4.2, §4.3 and §5.2, without the guards. */
export function judge(model: Model, write: Write, now: Situation): Verdict {
  const { op, path } = write;
  if (op === 'lease' || op === 'renew' || op === 'release') {
    const reason = judgeLease(model, write, now.at);
    if (reason !== '') return reason;
  }
  const implied = impliedBy(model, write);
  if (isProtected(model, { write, implied }, now)) return 'held';
  const value = resultOf(model, write, { seq: now.head + implied.length + 1, at: now.at });
  if (value === undefined) return 'type_mismatch';
  const deletes = implied.map((target) => ['delete', target, null] as const);
  return [...deletes, [op, path, value]];
}

type LeaseWrite = Extract<Write, { readonly op: 'lease' | 'renew' | 'release' }>;

/** The table of stores.md §5.2; '' lets pass. */
function judgeLease(model: Model, write: LeaseWrite, at: number): string | null {
  const { op, path } = write;
  const lease = leaseAt(model, path);
  const live = lease !== undefined && at < lease.expires_at;
  if (op === 'release') return lease?.token === write.token ? '' : null;
  if (op === 'renew') return live && lease.token === write.token ? '' : 'not_held';
  if (live) return 'held';
  return lease === undefined && model.under(path).length > 0 ? 'occupied' : '';
}

type Struck = { readonly write: Write; readonly implied: readonly Path[] };

/** stores.md §5.2.3. */
function isProtected(model: Model, { write, implied }: Struck, now: Situation): boolean {
  const isLeaseOp = ['lease', 'renew', 'release'].includes(write.op);
  const own = 'fence' in write && write.fence ? [...now.fences, write.fence] : now.fences;
  const targets = [...implied, ...(isLeaseOp ? [] : targetsOf(write))];
  return targets
    .flatMap((target) => model.under(target))
    .some((path) => {
      const lease = leaseAt(model, path);
      if (lease === undefined || now.at >= lease.expires_at) return false;
      return !own.some(({ key, token }) => key === path && token === lease.token);
    });
}

/** The lease at a path. */
export function leaseAt(model: Model, path: Path) {
  const value = model.leaves.get(path)?.value ?? null;
  return isLease(value) ? value : undefined;
}

function targetsOf(write: Write): Path[] {
  if (write.op !== 'merge') return [write.path];
  return Object.keys(write.value).map((key) => asPath(`${write.path}/${escape(key)}`));
}

function impliedBy(model: Model, write: Write): Path[] {
  const { op, path } = write;
  if (op === 'delete') return [];
  const implied = new Set<Path>();
  const written =
    op === 'merge' ? targetsOf(write).flatMap((target) => writtenBelow(write, target)) : [path];
  for (const target of written) {
    for (const above of ancestors(target)) if (model.leaves.has(above)) implied.add(above);
  }
  for (const target of targetsOf(write)) {
    const isNative = op === 'set' && isPlainObject(write.value);
    if (!isNative && model.hasBelow(target)) implied.add(target);
  }
  const needed = [...implied].filter((each) => ![...implied].some((above) => isBelow(each, above)));
  return needed.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function writtenBelow(write: Write, target: Path): Path[] {
  return write.op === 'merge'
    ? leavesOf(write.path, write.value)
        .map(([path]) => path)
        .filter((path) => path === target || isBelow(path, target))
    : [];
}

type Moment = { readonly seq: number; readonly at: number };

/** The value of the op; undefined where the types do not fit. */
function resultOf(model: Model, write: Write, { seq, at }: Moment) {
  const current = model.leaves.get(write.path);
  switch (write.op) {
    case 'set':
    case 'merge':
      return write.value;
    case 'increment': {
      if (!current) return write.value;
      const isNumber = ['integer', 'float', 'counter'].includes(current.type);
      return isNumber ? Number(current.value) + write.value : undefined;
    }
    case 'add':
    case 'remove':
      return membersOf(model, write);
    case 'lease':
      return { _type: 'lease', holder: write.holder, token: seq, expires_at: at + write.ttlMs };
    case 'renew':
      return { ...leaseAt(model, write.path), expires_at: at + write.ttlMs };
    case 'delete':
    case 'release':
      return null;
  }
}

function membersOf(model: Model, write: Extract<Write, { readonly op: 'add' | 'remove' }>) {
  const { op, path, value } = write;
  if (op === 'remove' && model.hasBelow(path)) return undefined;
  const list = model.leaves.get(path)?.value ?? (model.leaves.has(path) ? null : []);
  if (!Array.isArray(list)) return undefined;
  return op === 'add' ? addTo(list, value) : removeFrom(list, value);
}

function addTo(list: readonly Json[], member: Json): Json[] {
  const result = [member];
  for (const each of list) if (!result.some((known) => jsonEquals(known, each))) result.push(each);
  return result;
}

function removeFrom(list: readonly Json[], member: Json): Json[] {
  const at = list.findIndex((each) => jsonEquals(each, member));
  return list.filter((_, index) => index !== at);
}
