import { createHash } from 'node:crypto';
import { entriesIn, Scope, type Tree } from '@holdfast/engine/data';
import type { Veil } from '@holdfast/engine/gate';
import type { Glob, Json, Path, SeedContent } from '@holdfast/protocol';
import { globUnder, patternOf } from './scope.ts';

/** Beyond this many parts objects share one. */
const PARTS_MAX = 64;
const WINDOWS_MAX = 100;
/** Of each digest so much is kept: nobody gains by two that are equal by chance but who made them so, and loses. */
const DIGEST_CHARS = 8;
const OUTLINE = /^((?:[\w-]{8}){0,64})\.((?:[\w-]{8}){0,100})$/;
/** A page with more than this is not outlined: what may be hidden of it is sent again. */
const LEAVES_MAX = 20_000;
const LOOKS_PER_TURN = 500;

/**
 * Which leaves somebody has been shown of the objects of which something may be hidden, in a few bytes (records.md §17, §18).
 * What is hidden may change without a commit, so a cursor does not tell it; this does: of an object that nobody has
 * written since, the same leaves are the same content.
 */
export class Outline {
  /** The digests of parts of the objects: each object is in one of them. */
  readonly #parts: readonly string[];
  /** The digests of the rows of queries. */
  readonly #windows: ReadonlySet<string>;

  private constructor(parts: readonly string[], windows: readonly string[]) {
    this.#parts = parts;
    this.#windows = new Set(windows);
  }

  /** The text that stands for what a page is rendered from; empty: there is too much of it. */
  static of({ paths, windows }: SeedContent, veil: Veil, patterns: readonly Glob[]): string {
    if (paths.length > LEAVES_MAX || windows.length > WINDOWS_MAX) return '';
    const scope = new Scope(patterns.map(patternOf));
    const held = new Held(veil);
    for (const path of paths) if (scope.covers(path)) held.add(path, true);
    const count = Math.min(PARTS_MAX, held.size);
    const rows = rowsOf(windows, paths);
    return `${held.parts(count).join('')}.${rows.join('')}`;
  }

  /** Reads such a text; null where it is none. */
  static read(text: string): Outline | null {
    const [, parts, windows] = OUTLINE.exec(text) ?? [];
    if (parts === undefined || windows === undefined) return null;
    return new Outline(digestsIn(parts), digestsIn(windows));
  }

  /**
   * The objects of which somebody who has this would by now see more or less of the state that it had; null: all that
   * there are, as some are not to be named, or there are too many to look at.
   */
  async doubts(
    tree: Tree,
    { veil, leaves }: { readonly veil: Veil; readonly leaves: Scope },
    rest: () => Promise<void>,
  ): Promise<readonly Path[] | null> {
    const held = new Held(veil);
    const valueAt = (path: Path): Json | undefined => tree.read(path)?.value;
    let looks = 0;
    for (const entry of entriesIn(tree, new Scope(leaves.patterns))) {
      looks += entry === null ? LOOKS_PER_TURN : 1;
      if (looks > LEAVES_MAX) return null;
      if (entry !== null) {
        held.add(
          entry.path,
          veil.asOf(valueAt, () => leaves.covers(entry.path)),
        );
      }
      // oxlint-disable-next-line no-await-in-loop -- so that others have their turns
      if (looks % LOOKS_PER_TURN === 0) await rest();
    }
    const count = this.#parts.length;
    const now = held.parts(count);
    const doubts = held.objects.filter((object) => {
      const part = partOf(object, count);
      return now[part] === undefined || now[part] !== this.#parts[part];
    });
    return doubts.every((object) => held.isSeen(object)) ? doubts : null;
  }

  /** Whether of all these objects the same leaves are seen by now. */
  knows(objects: readonly Path[], tree: Tree, readable: Scope): boolean {
    const leaves = (object: Path): readonly Path[] => {
      const scope = new Scope([patternOf(globUnder(object))]).within(readable);
      const below = Array.from(tree.entries({ under: object }), ({ path }) => path);
      return below.filter((path) => scope.covers(path));
    };
    return this.#windows.has(digestOf(objects, leaves));
  }
}

/** The objects that a veil is about, with the leaves of them that are seen. */
class Held {
  readonly #veil: Veil;
  readonly #leaves = new Map<Path, Path[]>();

  constructor(veil: Veil) {
    this.#veil = veil;
  }

  get size(): number {
    return this.#leaves.size;
  }

  get objects(): readonly Path[] {
    return [...this.#leaves.keys()];
  }

  isSeen(object: Path): boolean {
    return (this.#leaves.get(object) ?? []).length > 0;
  }

  add(path: Path, isSeen: boolean): void {
    for (const object of this.#veil.objectsAround(path)) {
      const leaves = this.#leaves.get(object) ?? [];
      this.#leaves.set(object, leaves);
      if (isSeen) leaves.push(path);
    }
  }

  /** The digests of so many parts. */
  parts(count: number): readonly string[] {
    const parts = Array.from({ length: count }, (): Path[] => []);
    for (const [object, leaves] of this.#leaves) {
      // Of who sees nothing of it, it is not to be told that there is one.
      if (leaves.length > 0) parts[partOf(object, count)]?.push(object);
    }
    return parts.map((objects) => digestOf(objects, (object) => this.#leaves.get(object) ?? []));
  }
}

function digestsIn(text: string): readonly string[] {
  return text.match(/.{8}/g) ?? [];
}

function digestOf(objects: readonly Path[], leavesOf: (object: Path) => readonly Path[]): string {
  const lines = objects.toSorted().map((object) => [object, leavesOf(object).toSorted()]);
  return createHash('sha256')
    .update(JSON.stringify(lines))
    .digest('base64url')
    .slice(0, DIGEST_CHARS);
}

/** The digests of windows, whose leaves are among these. */
function rowsOf(windows: SeedContent['windows'], paths: readonly Path[]): readonly string[] {
  const leaves = new Map<string, Path[]>(windows.flat().map((object) => [object, []]));
  for (const path of paths) {
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
      leaves.get(path.slice(0, end))?.push(path);
    }
  }
  return windows.map((objects) => digestOf(objects, (object) => leaves.get(object) ?? []));
}

/** Which part an object is in (FNV-1a). */
function partOf(object: Path, count: number): number {
  let hash = 0x81_1c_9d_c5;
  for (let at = 0; at < object.length; at += 1) {
    hash = Math.imul(hash ^ object.charCodeAt(at), 0x01_00_01_93);
  }
  return (hash >>> 0) % count;
}
