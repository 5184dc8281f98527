import { type Bound, entriesIn, MapRows, project, Scope, Tree } from '@holdfast/engine/data';
import { type ReplicaImage, sharedScope } from '@holdfast/engine/replica';
import {
  containsScope,
  type Entry,
  type Glob,
  isRefusal,
  opTuple,
  type Pattern,
  readEvents,
  type WireOp,
} from '@holdfast/protocol';
import { patternOf } from '../watch.ts';
import type { Message, State } from './snapshot.ts';

/** What a tab has of its leader's store: what some patterns cover of it (stores.md §10.4). */
export class HubPart {
  readonly globs: readonly Glob[];
  readonly #patterns: readonly Pattern[];
  readonly scope: Scope;
  /** Each frame is made once for all tabs that have the same part. */
  readonly #made = new WeakMap<Message, Message>();

  constructor(globs: readonly Glob[]) {
    this.globs = [...new Set(globs)];
    this.#patterns = this.globs.map(patternOf);
    this.scope = new Scope(this.#patterns);
  }

  /** Nothing: such a tab only writes. */
  get isEmpty(): boolean {
    return this.globs.length === 0;
  }

  /** What of it is neither held nor denied, being on its way; and what is denied. */
  missing({ held, denied }: { readonly held: readonly Glob[]; readonly denied: readonly Glob[] }): {
    readonly coming: boolean;
    readonly denied: readonly Glob[];
  } {
    // Most are held as they are, and there may be thousands.
    const known = new Set(held);
    const others = this.#patterns.filter(({ source }) => !known.has(source));
    const has = others.length === 0 ? [] : held.map(patternOf);
    const lacking = others.filter((each) => !has.some((one) => containsScope(one, each)));
    const globs = lacking.map(({ source }) => source);
    // What is within something of which nothing may be had is not asked for by itself.
    const barred = globs.length === 0 ? [] : denied.map(patternOf);
    const isComing = (each: Pattern): boolean => !barred.some((one) => containsScope(one, each));
    return { coming: lacking.some(isComing), denied: globs };
  }

  /** A frame of events with what is in the part; the cursor moves all the same. */
  frame(message: Message): Message {
    if (this.scope.isWhole) return message;
    const made = this.#made.get(message) ?? frameIn(message, this.scope);
    this.#made.set(message, made);
    return made;
  }

  state(image: ReplicaImage): State {
    if (this.scope.isWhole) return image;
    const tree = Tree.empty();
    tree.load(image.entries, image.maps);
    const rows = new MapRows(tree, this.scope);
    const entries: Entry[] = [];
    for (const entry of entriesIn(tree, this.scope)) {
      if (entry === null) continue;
      rows.pass(entry);
      entries.push(entry);
    }
    return { entries, maps: rows.finish() };
  }

  /** The scope of it: the leader's own where that is of the same patterns, else one that says which leader's it is a part of. */
  scopeIn({ patterns, scope }: ReplicaImage): string {
    const isSame =
      patterns.length === this.globs.length && patterns.every((each) => this.globs.includes(each));
    return isSame ? (scope ?? '') : `${sharedScope}${scope}`;
  }
}

/** A frame of events with what is in a scope. */
export function frameIn(message: Message, scope: Bound): Message {
  const events = readEvents(message.payload);
  if (isRefusal(events)) return message;
  const { fromSeq, toSeq, ops } = events;
  const seen = ops.flatMap((op) => projected(op, scope) ?? []);
  const payload = { from_seq: fromSeq, to_seq: toSeq, ops: seen.map(opTuple) };
  return { event: message.event, payload };
}

/** Nobody here knows what it removed: who has nothing there loses nothing by being told so. */
function projected(op: WireOp, scope: Bound): WireOp | null {
  const whole = { ...op, arg: null, at: 0, principal: null, removed: [] };
  return project(whole, scope, () => true);
}
