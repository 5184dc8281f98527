import {
  isObject,
  type Leaf,
  type Mutate,
  parentOf,
  type Path,
  type Refusal,
  refuse,
} from '@holdfast/protocol';
import type { NamedFile, Proposal, Tree } from '../data/index.ts';
import { writesOf } from './hidden.ts';

type Request = Proposal['request'];

/** A mutation, and which op of its request it is. */
type Placed = { readonly op: Mutate; readonly index: number };

const none: readonly NamedFile[] = [];

/**
 * The files that mutations make, and that their objects did not name before: what comes of an input is known only now. Those
 * of other ops stand in the request itself.
 */
export function filesMade({ request, changes, before }: Proposal): readonly NamedFile[] {
  const mutations = mutationsIn(request);
  if (mutations.size === 0) return none;
  const known = new Map<Path, ReadonlySet<string>>();
  const made = new Map<string, NamedFile>();
  for (const { path, after } of changes) {
    const file = fileOf(after);
    const mutation = file && mutationAt(mutations, path);
    if (!mutation) continue;
    const { op, index } = mutation;
    const there = known.get(op.path) ?? namesUnder(before, op.path);
    known.set(op.path, there);
    const name = nameOf(file);
    if (there.has(name) || made.has(name)) continue;
    made.set(name, request.op === 'transact' ? { ...file, opIndex: index } : file);
  }
  return [...made.values()];
}

/** Stands for files in the key of a question. */
export function nameOf({ hash, size }: NamedFile): string {
  return `${hash} ${size}`;
}

/** A refusal without the hash that no input has named: a mutation may have it from what whoever asks does not see. */
export function withoutFound(refusal: Refusal, { request }: Proposal): Refusal {
  const { hash, ...rest } = refusal.details;
  const isNamed = [...mutationsIn(request).values()].some(
    ({ op }) => typeof hash === 'string' && JSON.stringify(op.value).includes(hash),
  );
  return isNamed ? refusal : refuse(refusal.code, rest);
}

function mutationsIn(request: Request): ReadonlyMap<Path, Placed> {
  const found = new Map<Path, Placed>();
  for (const [index, op] of writesOf(request).entries()) {
    if (op.op === 'mutate') found.set(op.path, { op, index });
  }
  return found;
}

function mutationAt(mutations: ReadonlyMap<Path, Placed>, path: Path): Placed | null {
  for (let at: Path | null = path; at !== null; at = parentOf(at)) {
    const found = mutations.get(at);
    if (found !== undefined) return found;
  }
  return null;
}

function namesUnder(tree: Tree, path: Path): ReadonlySet<string> {
  const names = new Set<string>();
  for (const leaf of tree.entries({ under: path })) {
    const file = fileOf(leaf);
    if (file !== null) names.add(nameOf(file));
  }
  return names;
}

function fileOf(leaf: Leaf | undefined): NamedFile | null {
  if (leaf?.type !== 'file' || !isObject(leaf.value)) return null;
  const { hash, size } = leaf.value;
  return typeof hash === 'string' && typeof size === 'number' ? { hash, size } : null;
}
