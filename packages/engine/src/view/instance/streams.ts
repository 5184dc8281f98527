import { isObject, isPromised } from '@holdfast/protocol';
import type { StreamOp } from '@holdfast/protocol/views';
import { toWire } from '../../data/index.ts';
import type { StreamHandle, StreamPlace } from '../definition.ts';
import { Cell } from './cell.ts';
import type { Layer } from './layer.ts';
import type { HeldItem, NodeStream } from './node-stream.ts';
import type { ViewNode } from './node.ts';

/** The stream of a node, made when first used. Throws where the view declares none of this name. */
export function streamOf(node: ViewNode, name: string, isShared: boolean): NodeStream {
  const known = node.streams?.get(name);
  if (known !== undefined) return known;
  const declared = node.view.streams ?? {};
  const definition = Object.hasOwn(declared, name) ? declared[name] : undefined;
  if (definition === undefined) {
    throw new TypeError(`${node.view.name} declares no stream "${name}".`);
  }
  const isRetained = isShared || definition.retain === true;
  if (isRetained && definition.limit === undefined) {
    throw new TypeError(
      `The stream "${name}" of ${node.view.name} is retained, and needs a limit.`,
    );
  }
  const streams = (node.rare.streams ??= new Map());
  const items = isRetained ? new Cell<readonly HeldItem[]>([]) : null;
  const stream = { name, ref: String(streams.size), definition, items };
  streams.set(name, stream);
  return stream;
}

/** Where a change of a stream goes. */
export type StreamTarget = {
  readonly node: ViewNode;
  readonly stream: NodeStream;
  /** Whether the node is being mounted: what it seeds is preceded by a reset (views.md §8.3). */
  readonly isMounting: boolean;
  readonly depthMax: number;
};

/** The server's hand on a stream; `act` finds the layer to change it in. */
export function streamHandle(
  target: StreamTarget,
  act: (change: (layer: Layer) => void) => void,
  seenFrom: () => Layer | null,
): StreamHandle {
  return {
    reset: (items = [], place = {}) => {
      const placed = items.map((item) => heldItem(target, item));
      checkPlace(place);
      act((layer) => reset(target, layer, { items: placed, place }));
    },
    insert: (item, place = {}) => {
      const held = heldItem(target, item);
      checkPlace(place);
      act((layer) => new StreamWriter(target, layer).insert(held, place));
    },
    delete: (item) => {
      const key = keyOfItem(target.stream, item);
      act((layer) => new StreamWriter(target, layer).delete(key));
    },
    deleteKey: (key) => act((layer) => new StreamWriter(target, layer).delete(key)),
    update: (item) => {
      const held = heldItem(target, item);
      heldCell(target.stream);
      act((layer) => new StreamWriter(target, layer).update(held));
    },
    items: () =>
      heldCell(target.stream)
        .read(seenFrom())
        .map(({ item }) => item),
  };
}

function heldCell({ name, items }: NodeStream): Cell<readonly HeldItem[]> {
  if (items === null) throw new TypeError(`The stream "${name}" is not retained.`);
  return items;
}

function checkPlace({ at = -1, limit = null }: StreamPlace): void {
  if (!Number.isSafeInteger(at) || at < -1) throw new RangeError(`"at" cannot be ${at}.`);
  if (limit !== null && !Number.isSafeInteger(limit)) {
    throw new RangeError(`"limit" cannot be ${String(limit)}.`);
  }
}

function heldItem({ stream, depthMax }: StreamTarget, item: unknown): HeldItem {
  const { value } = toWire(item, undefined, { depthMax });
  return { key: keyOfItem(stream, item), item: value };
}

function keyOfItem({ name, definition }: NodeStream, item: unknown): string {
  const key = definition.key === undefined ? defaultKey(name, item) : definition.key(item);
  if (isPromised(key)) throw new TypeError(`The key of an item of "${name}" cannot be async.`);
  if (typeof key === 'string' && key !== '') return key;
  throw new TypeError(`The key of an item of "${name}" must be a string that is not empty.`);
}

function defaultKey(name: string, item: unknown): string {
  const id = isObject(item) && Object.hasOwn(item, 'id') ? item['id'] : undefined;
  if (typeof id === 'number' || (typeof id === 'string' && id !== '')) return `${name}-${id}`;
  throw new TypeError(`An item of "${name}" has no id.`);
}

/** Of a seed larger than the limit only the survivors are sent (views.md §8.3). */
function reset(
  target: StreamTarget,
  layer: Layer,
  seed: { readonly items: readonly HeldItem[]; readonly place: StreamPlace },
): void {
  const writer = new StreamWriter(target, layer);
  writer.reset();
  const { at = -1, limit = target.stream.definition.limit ?? null } = seed.place;
  const { trim = null } = target.stream.definition;
  // What is put in is what is cut at once: which ones stay depends.
  const isOpposed = trim !== null && trim !== (at === 0 ? 'end' : 'start');
  const items = isOpposed ? seed.items : survivors(seed.items, at, limit);
  for (const item of items) writer.insert(item, seed.place);
}

/** At either end the last ones stay; in the middle it depends. */
function survivors(
  items: readonly HeldItem[],
  at: number,
  limit: number | null,
): readonly HeldItem[] {
  if (limit === null || at > 0) return items;
  // Of two items of one key the later one takes the place.
  const last = new Map<string, HeldItem>();
  for (const item of items) {
    last.delete(item.key);
    last.set(item.key, item);
  }
  const kept = [...last.values()];
  return kept.slice(Math.max(0, kept.length - Math.abs(limit)));
}

/** Changes a stream within a layer: the list that is held, and the ops that change the clients'. */
class StreamWriter {
  readonly #target: StreamTarget;
  readonly #layer: Layer;

  constructor(target: StreamTarget, layer: Layer) {
    this.#target = target;
    this.#layer = layer;
  }

  reset(): void {
    this.#layer.seeded.add(this.#target.stream);
    this.#emit({ op: 'reset' });
    this.#hold(() => []);
  }

  /** Where the list is another one by the time that this is committed, that one is cut. */
  insert(item: HeldItem, place: StreamPlace): void {
    this.#seed();
    const { definition, items } = this.#target.stream;
    const { at = -1, limit = definition.limit ?? null } = place;
    const trim = items === null ? undefined : definition.trim;
    const said = trim === undefined ? limit : null;
    const insert = { op: 'insert', item_key: item.key, at, item: item.item, limit: said } as const;
    const sent = this.#emit(insert);
    this.#hold((list) => {
      const grown = inserted(list, item, { at, limit: said });
      if (trim === undefined || limit === null) return grown;
      const { kept, cut } = trimmed(grown, trim, Math.abs(limit));
      const gone = cut.map(({ key }) => this.#addressed({ op: 'delete', item_key: key }));
      sent.ops = [this.#addressed(insert), ...gone];
      return kept;
    });
  }

  delete(key: string): void {
    const list = this.#list();
    // What is held tells that nothing would change.
    if (list !== null && !list.some((held) => held.key === key)) return;
    this.#seed();
    this.#emit({ op: 'delete', item_key: key });
    this.#hold((held) => held.filter((item) => item.key !== key));
  }

  /** In place: where the list is another one by the time that this is committed, in its place there, if it has one. */
  update({ key, item }: HeldItem): void {
    const isThere = this.#list()?.some((held) => held.key === key) ?? false;
    if (!isThere) return;
    const gone = { op: 'delete', item_key: key } as const;
    const sent = this.#emit(gone);
    this.#hold((list) => {
      const at = list.findIndex((held) => held.key === key);
      const op = at === -1 ? gone : ({ ...gone, op: 'insert', at, item, limit: null } as const);
      sent.ops = [this.#addressed(op)];
      return at === -1 ? list : list.with(at, { key, item });
    });
  }

  #list(): readonly HeldItem[] | null {
    return this.#target.stream.items?.read(this.#layer) ?? null;
  }

  #hold(change: (list: readonly HeldItem[]) => readonly HeldItem[]): void {
    const { items } = this.#target.stream;
    items?.write(this.#layer, change(items.read(this.#layer)), change);
  }

  #seed(): void {
    const { stream, isMounting } = this.#target;
    if (isMounting && !this.#layer.seeded.has(stream)) this.reset();
  }

  #emit(op: OpBody): Layer['streamOps'][number] {
    const sent = { node: this.#target.node, ops: [this.#addressed(op)] };
    this.#layer.streamOps.push(sent);
    return sent;
  }

  #addressed(op: OpBody): StreamOp {
    const { node, stream } = this.#target;
    return { ...op, stream: stream.name, ref: stream.ref, store_id: node.storeId };
  }
}

type OpBody = StreamOp extends infer Op
  ? Op extends StreamOp
    ? Omit<Op, 'stream' | 'ref' | 'store_id'>
    : never
  : never;

/** The list after an insert, by the rules that clients go by (views.md §8.2). */
export function inserted(
  list: readonly HeldItem[],
  item: HeldItem,
  { at, limit }: { readonly at: number; readonly limit: number | null },
): readonly HeldItem[] {
  const others = list.filter(({ key }) => key !== item.key);
  const index = at === -1 ? others.length : Math.min(Math.max(at, 0), others.length);
  const grown = others.toSpliced(index, 0, item);
  const over = limit === null ? 0 : grown.length - Math.abs(limit);
  if (over <= 0) return grown;
  return at === 0 ? grown.slice(0, grown.length - over) : grown.slice(over);
}

/** A list cut at one end, and what was cut. */
function trimmed(
  list: readonly HeldItem[],
  end: 'start' | 'end',
  limit: number,
): { readonly kept: readonly HeldItem[]; readonly cut: readonly HeldItem[] } {
  const over = Math.max(0, list.length - limit);
  if (end === 'start') return { kept: list.slice(over), cut: list.slice(0, over) };
  return { kept: list.slice(0, limit), cut: list.slice(limit) };
}

/** The ops that give the whole of a retained stream to somebody who has none of it (views.md §5.3). */
export function streamContent(node: ViewNode, stream: NodeStream): StreamOp[] {
  if (stream.items === null) return [];
  const address = { stream: stream.name, ref: stream.ref, store_id: node.storeId };
  const ops: StreamOp[] = [{ op: 'reset', ...address }];
  for (const { key, item } of stream.items.read(null)) {
    ops.push({ op: 'insert', ...address, item_key: key, at: -1, item, limit: null });
  }
  return ops;
}
