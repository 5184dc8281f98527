import type { Json, UploadState } from '@holdfast/protocol';
import {
  hearEnvelope,
  type HeardEnvelope,
  type StreamOp,
  type ViewEvent,
} from '@holdfast/protocol/views';
import { Patching } from '../../data/index.ts';
import { Layers, type Recipe } from './layers.ts';
import { isContainer, memberOf, type NodeKey, nodeKey, wireKey } from './names.ts';
import { share } from './share.ts';
import { type MirroredNode, outermost, Rendition } from './shown.ts';
import { type Slot, slotKey, type Slots, uploadIn } from './slots.ts';
import { Streaming } from './streams.ts';

// A client's copy of one root (views.md §12.4):
//
//   joined ──▶ awaiting the first envelope ──▶ following ──▶ …        take: envelope → events, or null: recover
//
// 1. An envelope is applied whole or not at all; what is shown before and after it is a state of the server.
// 2. `version` is that of the last envelope applied; 0: none in this mount.
// 3. What is deep-equal at the same place keeps its identity, whatever came in between (§12.6).
// 4. What is shown = what the server said, with all open layers applied in their order (§12.7).

/** How a channel was joined. */
export type MirrorJoin = {
  readonly rootId: string;
  /** Of the server; 0: it did not say. */
  readonly capver: number;
  /** The mount goes on where this copy is. */
  readonly resumed: boolean;
};

/** How a mirror is made. */
export type MirrorConfig = {
  /** Whether what is shown is frozen, which finds writes to it. */
  readonly freeze: boolean;
};

/** What reads what is said of uploads. */
export interface UploadReader {
  /** Fills the slots of uploads anew; `before` is what was in them, also where a mount has emptied them. */
  read(slots: Map<string, Slot>, before: Slots, ops: readonly unknown[]): void;
}

/** What an envelope makes of a copy, before any of it counts. */
type Staged = {
  readonly tree: Json;
  readonly shown: Json;
  readonly nodes: ReadonlyMap<NodeKey, MirroredNode>;
  readonly gone: readonly NodeKey[];
  readonly slots: Slots;
  /** What is said of uploads, and nobody can read yet. */
  readonly unread: readonly unknown[];
};

/** What an envelope holds beside its ops. */
type Tail = {
  readonly stream_ops: readonly StreamOp[];
  readonly upload_ops: readonly unknown[];
  /** Whether it is the first of a mount. */
  readonly isMount: boolean;
};

/** A client's copy of one root: tree, streams, uploads and the changes that are not confirmed. */
export class Mirror {
  readonly #freeze: boolean;
  /** Which node something is, on the wire or shown. */
  readonly #keys = new WeakMap<object, NodeKey>();
  /** What is shown of each part that is no node. */
  #known = new WeakMap<object, Json>();
  readonly #nodes = new Map<NodeKey, MirroredNode>();
  readonly #layers: Layers;
  #tree: Json | undefined;
  #shown: Json | undefined;
  #slots: Slots = new Map();
  #reader: UploadReader | null = null;
  /** What was said of uploads, and nobody could read. */
  #unread: readonly unknown[] = [];
  /** How much more often each node is in the tree than before the patch at hand. */
  readonly #counts = new Map<NodeKey, number>();
  #version = 0;
  #join: MirrorJoin = { rootId: '', capver: 0, resumed: false };

  constructor({ freeze }: MirrorConfig) {
    this.#freeze = freeze;
    this.#layers = new Layers({
      keyOf: (value) => this.nodeOf(value),
      base: (node) => this.#nodes.get(node)?.shown,
      made: (shown, node) => this.#note(shown, node),
    });
  }

  /** The version of the last envelope of this mount; 0: none. */
  get version(): number {
    return this.#version;
  }

  /** The wire tree, without what fills its slots; undefined: nothing has come. */
  get tree(): Json | undefined {
    return this.#tree;
  }

  /** What fills its slots. */
  get slots(): Slots {
    return this.#slots;
  }

  /** The nodes that are there. */
  has(node: NodeKey): boolean {
    return this.#nodes.has(node);
  }

  /** What is shown of a node; undefined: it is not there. */
  snapshot(node: NodeKey): Json | undefined {
    return this.#layers.snapshot(node);
  }

  /** Which node a part of a snapshot is. */
  nodeOf(shown: Json): NodeKey | undefined {
    return isContainer(shown) ? this.#keys.get(shown) : undefined;
  }

  /** What the server said last of a member of a node, as it came. */
  wireOf(node: NodeKey, name: string): Json | undefined {
    return memberOf(this.#nodes.get(node)?.wire, name);
  }

  upload(node: NodeKey, name: string): UploadState {
    return uploadIn(this.#slots.get(slotKey(node, 'upload', name)));
  }

  /** Whether something was said of uploads that needs a reader. */
  get wantsReader(): boolean {
    return this.#unread.length > 0;
  }

  /** Reads from now on what is said of uploads, and what was, unless somebody does. */
  useReader(reader: UploadReader): void {
    if (this.#reader !== null) return;
    const unread = this.#unread;
    this.#unread = [];
    this.#reader = reader;
    this.readUploads(unread);
  }

  /** Takes something about uploads that came with no envelope. */
  readUploads(ops: readonly unknown[]): void {
    if (this.#tree === undefined) return;
    const filled = this.#fill({ stream_ops: [], upload_ops: ops, isMount: false });
    this.#commit(this.#render({ tree: this.#tree, gone: [], ...filled }));
  }

  /** Shows a tree from elsewhere until the first envelope comes (views.md §12.10). */
  seed(tree: Json, streamOps: readonly StreamOp[] = []): void {
    if (this.#tree !== undefined) return;
    this.#counts.clear();
    this.#count(tree, 1);
    this.#commit(this.#stage(tree, { stream_ops: streamOps, upload_ops: [], isMount: true }));
  }

  /** A join was answered ok. */
  joined(join: MirrorJoin): void {
    this.#join = join;
    if (!join.resumed) this.#version = 0;
  }

  /** Applies the payload of a `patch`. Null: it does not fit, nothing has changed, and the channel is to be joined again. */
  take(payload: unknown): readonly ViewEvent[] | null {
    const envelope = hearEnvelope(payload);
    if (envelope === null || envelope.root_id !== this.#join.rootId) return null;
    if (!this.#isNext(envelope)) return null;
    const isMount = this.#version === 0;
    let staged: Staged;
    try {
      const tree = this.#patch(envelope);
      if (tree === undefined) return null;
      staged = this.#stage(tree, { ...envelope, isMount });
    } catch {
      // Nested so deep that it cannot be walked: no server of ours sends that.
      this.#known = new WeakMap();
      return null;
    }
    // What was answered in another mount is in the state of this one, or lost.
    const isLast = isMount || this.#join.capver < 4;
    this.#version = envelope.version;
    this.#layers.end(isLast ? Number.MAX_SAFE_INTEGER : envelope.version);
    this.#commit(staged);
    return envelope.events;
  }

  /** Shows a change that is not confirmed; throws what the recipe throws. */
  addLayer(id: string, node: NodeKey, recipe: Recipe): void {
    if (this.#shown !== undefined) this.#layers.add({ id, node, recipe }, this.#shown);
  }

  /** A command was answered ok: its layer ends with the first state that has its effects (views.md §12.7). */
  answerLayer(id: string, version: number | null): void {
    // A Musubi server does not say which envelope it is: most likely the next one.
    const by = this.#join.capver >= 4 ? (version ?? this.#version) : this.#version + 1;
    this.#layers.answer(id, by);
    this.#endLayers(this.#version);
  }

  /** Takes a change back. */
  dropLayer(id: string): void {
    this.#endLayers(id);
  }

  /** Whether the client may go on with it, at this version (views.md §5.2). */
  #isNext(envelope: HeardEnvelope): boolean {
    const { base_version: base, version } = envelope;
    const n = this.#version;
    const isStep = base === n && version === n + 1;
    if (this.#join.capver < 4) return isStep;
    if (base === 0 && isWhole(envelope) && version >= Math.max(n, 1)) return true;
    return n > 0 && (isStep || (base === n && version === n && isPrivate(envelope)));
  }

  #patch({ ops }: HeardEnvelope): Json | undefined {
    this.#counts.clear();
    const patching = new Patching(this.#tree ?? null, (removed, added) => {
      this.#count(removed, -1);
      this.#count(added, 1);
    });
    const fits = ops.every((op) => patching.apply(op));
    return fits ? patching.tree : undefined;
  }

  #count(value: Json | undefined, by: number): void {
    if (!isContainer(value)) return;
    const key = wireKey(value);
    if (key !== undefined) this.#counts.set(key, (this.#counts.get(key) ?? 0) + by);
    for (const inside of Array.isArray(value) ? value : Object.values(value)) {
      if (isContainer(inside)) this.#count(inside, by);
    }
  }

  #stage(next: Json, tail: Tail): Staged {
    const before = (node: NodeKey): Json | undefined => this.#nodes.get(node)?.wire;
    const tree =
      this.#tree === undefined ? next : share(next, this.#tree, { keyOf: wireKey, before });
    const isThere = (node: NodeKey): boolean =>
      (this.#nodes.has(node) ? 1 : 0) + (this.#counts.get(node) ?? 0) > 0;
    const gone = [...this.#counts.keys()].filter((node) => !isThere(node));
    const { slots, unread } = this.#fill(tail);
    const isKept = [...slots.values()].every(({ node }) => isThere(node));
    const kept = isKept ? slots : new Map([...slots].filter(([, { node }]) => isThere(node)));
    return this.#render({ tree, slots: kept, gone, unread });
  }

  /** The slots after what is said of them. */
  #fill({ stream_ops: ops, upload_ops: uploads, isMount }: Tail): Pick<Staged, 'slots' | 'unread'> {
    const before = isMount ? [] : this.#unread;
    if (!isMount && ops.length === 0 && uploads.length === 0) {
      return { slots: this.#slots, unread: before };
    }
    const slots = new Map(isMount ? [] : this.#slots);
    this.#stream(slots, ops);
    if (this.#reader === null) return { slots, unread: [...before, ...uploads] };
    this.#reader.read(slots, this.#slots, uploads);
    return { slots, unread: before };
  }

  #stream(slots: Map<string, Slot>, ops: readonly StreamOp[]): void {
    const open = new Map<string, Streaming>();
    for (const op of ops) {
      const node = nodeKey(op.store_id);
      const key = slotKey(node, 'stream', op.stream);
      const streaming = open.get(key) ?? new Streaming(node, this.#slots.get(key), slots.get(key));
      open.set(key, streaming);
      streaming.apply(op);
    }
    for (const [key, streaming] of open) slots.set(key, streaming.end());
  }

  #render(next: Omit<Staged, 'shown' | 'nodes'>): Staged {
    const { tree, slots } = next;
    const [nodes, keys, known] = [this.#nodes, this.#keys, this.#known];
    const rendition = new Rendition({ nodes, slots, stale: this.#stale(slots), keys, known });
    const shown = rendition.show(tree, outermost);
    if (this.#freeze) freezeDeep(shown);
    return { ...next, shown, nodes: rendition.nodes };
  }

  /** The nodes with a slot that is filled with something else than before, and all that they are in. */
  #stale(slots: Slots): ReadonlySet<NodeKey> {
    const stale = new Set<NodeKey>();
    if (slots === this.#slots) return stale;
    for (const [key, { node }] of [...this.#slots, ...slots]) {
      if (slots.get(key)?.shown === this.#slots.get(key)?.shown) continue;
      let at: NodeKey | undefined = node;
      for (; at !== undefined && !stale.has(at); at = this.#nodes.get(at)?.parent) stale.add(at);
    }
    return stale;
  }

  #commit({ tree, shown, nodes, gone, slots, unread }: Staged): void {
    for (const [node, mirrored] of nodes) this.#nodes.set(node, mirrored);
    for (const node of gone) this.#nodes.delete(node);
    this.#tree = tree;
    this.#shown = shown;
    this.#slots = slots;
    this.#unread = unread;
    this.#settle();
  }

  #endLayers(of: number | string): void {
    this.#layers.end(of);
    this.#settle();
  }

  /** What was shown before the server said the same stays, and is what the server said. */
  #settle(): void {
    for (const [node, shown] of this.#layers.render(this.#shown) ?? []) {
      const mirrored = this.#nodes.get(node);
      if (mirrored !== undefined) this.#nodes.set(node, { ...mirrored, shown });
      if (mirrored?.parent === outermost) this.#shown = shown;
    }
  }

  #note(shown: object, node: NodeKey | null): void {
    if (node !== null) this.#keys.set(shown, node);
    if (this.#freeze) Object.freeze(shown);
  }
}

/** Whether an envelope brings a whole tree. */
function isWhole({ ops }: HeardEnvelope): boolean {
  const [first] = ops;
  return ops.length === 1 && first?.path === '' && first.op !== 'remove';
}

/** Whether an envelope brings nothing that others would have to know, too. */
function isPrivate(envelope: HeardEnvelope): boolean {
  return envelope.ops.length === 0 && envelope.stream_ops.length === 0;
}

function freezeDeep(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  Object.values(value).forEach(freezeDeep);
}
