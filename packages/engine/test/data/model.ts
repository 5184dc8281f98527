import {
  asPath,
  type Fence,
  isPlainObject,
  type Json,
  jsonEquals,
  type Leaf,
  type LeafType,
  type LeaseValue,
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

  read(path: Path): Leaf | undefined {
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
    const gone: Path[] = [];
    const written: [Path, Json][] = [];
    const isMap = op.op === 'set' && isPlainObject(op.value);
    if (op.op === 'delete' || op.op === 'release' || isMap || (op.op === 'set' && !exact)) {
      gone.push(...this.under(op.path));
    }
    if (op.op === 'merge') {
      for (const [key, value] of Object.entries(op.value ?? {})) {
        const path = asPath(`${op.path}/${escape(key)}`);
        gone.push(...this.under(path));
        written.push(...leavesOf(path, value));
      }
    } else if (op.op === 'set') written.push(...leavesOf(op.path, op.value));
    else if (op.op !== 'delete' && op.op !== 'release') written.push([op.path, op.value]);
    for (const path of gone) this.leaves.delete(path);
    for (const [path, value] of written) {
      this.leaves.set(path, { value, type: typeBy(op.op, value), revision: op.seq });
    }
    this.#touch([...gone, ...written.map(([path]) => path)], op.seq);
  }

  #touch(changed: readonly Path[], seq: number): void {
    for (const path of changed.flatMap(ancestors)) this.maps.set(path, seq);
    for (const path of this.maps.keys()) if (!this.hasBelow(path)) this.maps.delete(path);
  }
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
  const lease = leaseAt(model, path);
  if (op === 'release') return lease?.token === write.token ? [[op, path, null]] : null;
  const live = lease !== undefined && now.at < lease.expires_at;
  if (op === 'renew' && !(live && lease.token === write.token)) return 'not_held';
  if (op === 'lease' && !lease && model.under(path).length > 0) return 'occupied';
  if (op === 'lease' && live) return 'held';
  const implied = impliedBy(model, write);
  const own = 'fence' in write && write.fence ? [...now.fences, write.fence] : now.fences;
  const struck = [...implied, ...(op === 'lease' || op === 'renew' ? [] : targetsOf(write))];
  for (const leaf of struck.flatMap((target) => model.under(target))) {
    const other = leaseAt(model, leaf);
    if (!other || now.at >= other.expires_at) continue;
    if (!own.some(({ key, token }) => key === leaf && token === other.token)) return 'held';
  }
  const value = resultOf(model, write, now.head + implied.length + 1, now.at);
  if (value === undefined) return 'type_mismatch';
  const deletes = implied.map((target) => ['delete', target, null] as const);
  return [...deletes, [op, path, value]];
}

function leaseAt(model: Model, path: Path): LeaseValue | undefined {
  const leaf = model.leaves.get(path);
  return leaf?.type === 'lease' ? (leaf.value as LeaseValue) : undefined;
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

function resultOf(model: Model, write: Write, seq: number, at: number): Json | undefined {
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
    case 'remove': {
      if (!current && write.op === 'remove' && model.hasBelow(write.path)) return undefined;
      const list = current ? current.value : [];
      if (!Array.isArray(list)) return undefined;
      return write.op === 'add' ? addTo(list, write.value) : removeFrom(list, write.value);
    }
    case 'lease':
      return { _type: 'lease', holder: write.holder, token: seq, expires_at: at + write.ttlMs };
    case 'renew':
      return { ...(current?.value as LeaseValue), expires_at: at + write.ttlMs };
    default:
      return null;
  }
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
