import { isObject, isPromised, type Json, setOwn } from '@holdfast/protocol';
import { isContainer, type NodeKey } from './names.ts';
import { adopt, childMark, markOf } from './placed.ts';
import { share } from './share.ts';

/** Edits a copy of what a node shows, of which it may keep nothing. */
export type Recipe = (draft: never) => void;

/** What layers take from the mirror. */
export type LayerPorts = {
  readonly keyOf: (shown: Json) => NodeKey | undefined;
  /** What the server said of a node. */
  readonly base: (node: NodeKey) => Json | undefined;
  /** Hears of each value that is shown for the first time. */
  readonly made: (shown: object, node: NodeKey | null) => void;
};

type Layer = {
  readonly id: string;
  readonly node: NodeKey;
  readonly recipe: Recipe;
  /** The version that has its effects; Infinity: it is not answered. */
  by: number;
};

/** Changes that are shown before the server has made them, in the order of their commands (views.md §12.7). */
export class Layers {
  readonly #ports: LayerPorts;
  #layers: Layer[] = [];
  /** What is shown of nodes that differ from what the server said. */
  #shown = new Map<NodeKey, Json>();
  #root: Json | undefined;

  constructor(ports: LayerPorts) {
    this.#ports = ports;
  }

  snapshot(node: NodeKey): Json | undefined {
    return this.#shown.get(node) ?? this.#ports.base(node);
  }

  /** Puts a layer on top; throws what its recipe throws. */
  add(layer: Omit<Layer, 'by'>, root: Json): void {
    const draft = new Draft(root, this.#ports.keyOf, true);
    for (const each of this.#layers) draft.apply(each);
    draft.apply(layer);
    this.#layers.push({ ...layer, by: Infinity });
    this.#show(draft);
  }

  /** The command of a layer was answered: it ends with that version. */
  answer(id: string, by: number): void {
    for (const layer of this.#layers) if (layer.id === id) layer.by = by;
  }

  /** Ends the layers of commands whose effects are in this version, or of one command. */
  end(of: number | string): void {
    const isOver = ({ id, by }: Layer): boolean => (typeof of === 'string' ? id === of : by <= of);
    this.#layers = this.#layers.filter((layer) => !isOver(layer));
  }

  /** Applies the layers anew; gives what is shown for good once none is left, else null. */
  render(root: Json | undefined): ReadonlyMap<NodeKey, Json> | null {
    if (this.#root === undefined || root === undefined) return null;
    this.#show(this.#redraft(root));
    if (this.#layers.length > 0) return null;
    const settled = this.#shown;
    this.#shown = new Map();
    this.#root = undefined;
    return settled;
  }

  /** A recipe that throws on what has become of the state is dropped. */
  #redraft(root: Json): Draft {
    for (;;) {
      const draft = new Draft(root, this.#ports.keyOf, this.#layers.length > 0);
      const failed = this.#layers.find((layer) => {
        try {
          draft.apply(layer);
          return false;
        } catch {
          return true;
        }
      });
      if (failed === undefined) return draft;
      this.#layers = this.#layers.filter((layer) => layer !== failed);
    }
  }

  #show({ value }: Draft): void {
    const { base, made } = this.#ports;
    const keyOf = (shown: Json): NodeKey | undefined => keyIn(shown) ?? this.#ports.keyOf(shown);
    const root = share(value, this.#root, { keyOf, before: (node) => this.snapshot(node) });
    const shown = new Map<NodeKey, Json>();
    const look = (part: Json): void => {
      if (!isContainer(part)) return;
      const node = keyOf(part);
      if (node !== undefined) {
        if (part === base(node)) return;
        shown.set(node, part);
      }
      if (keyIn(part) !== undefined) Reflect.deleteProperty(part, childMark);
      made(part, node ?? null);
      for (const inside of Object.values(part)) look(inside);
    };
    look(root);
    this.#root = root;
    this.#shown = shown;
  }
}

/** Which node a part of a draft is. */
function keyIn(value: Json): NodeKey | undefined {
  const mark = isContainer(value) ? markOf(value) : undefined;
  return typeof mark === 'string' ? mark : undefined;
}

/** A copy of what is shown, with the nodes it has, to be edited. */
class Draft {
  readonly value: Json;
  readonly #nodes = new Map<NodeKey, object>();
  readonly #keyOf: LayerPorts['keyOf'];

  constructor(root: Json, keyOf: LayerPorts['keyOf'], isEdited: boolean) {
    this.#keyOf = keyOf;
    this.value = isEdited ? this.#copy(root) : root;
  }

  /** What is not there now may come back. */
  apply({ node, recipe }: Omit<Layer, 'by'>): void {
    const draft = this.#nodes.get(node);
    if (draft === undefined) return;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of what type it is the caller knows
    const result: unknown = recipe(draft as never);
    if (isPromised(result)) throw new TypeError('optimistic cannot be async.');
    if (!isContainer(this.value)) return;
    adopt(this.value, [], (key, child, isNew) => {
      if (isNew && this.#nodes.has(key)) throw new Error(`There is a child ${key} already.`);
      this.#nodes.set(key, child);
    });
  }

  #copy(value: Json): Json {
    if (Array.isArray(value)) return value.map((inside: Json) => this.#copy(inside));
    if (!isObject(value)) return value;
    const copy: { [name: string]: Json } = {};
    for (const [name, inside] of Object.entries(value)) setOwn(copy, name, this.#copy(inside));
    const key = this.#keyOf(value);
    if (key === undefined) return copy;
    Reflect.set(copy, childMark, key);
    this.#nodes.set(key, copy);
    return copy;
  }
}
