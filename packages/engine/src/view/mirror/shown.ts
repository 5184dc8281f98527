import { isObject, type Json, setOwn } from '@holdfast/protocol';
import { isAsyncValue, nodeMarker, streamNameOf, uploadNameOf } from '@holdfast/protocol/views';
import { isContainer, memberOf, type Members, type NodeKey, wireKey } from './names.ts';
import { share } from './share.ts';
import { emptyUpload, slotKey, type Slots } from './slots.ts';

/** A node: what came over the wire, what is shown of it, and the node it is in. */
export type MirroredNode = {
  readonly wire: Json;
  readonly shown: Json;
  readonly parent: NodeKey;
};

/** A stream of which nothing came. */
const emptyStream: Json = /* @__PURE__ */ Object.freeze([]);

/** What the root is in. */
export const outermost: NodeKey = '';

/** What a rendition takes from the mirror. */
export type RenditionPorts = {
  /** The nodes as they were shown before. */
  readonly nodes: ReadonlyMap<NodeKey, MirroredNode>;
  /** What fills the slots of nodes. */
  readonly slots: Slots;
  /** Nodes with a slot whose filling has changed, and all nodes that those are in. */
  readonly stale: ReadonlySet<NodeKey>;
  /** Which node something is, on the wire or shown. */
  readonly keys: WeakMap<object, NodeKey>;
  /** What was shown of each part that is no node. */
  readonly known: WeakMap<object, Json>;
};

/**
 * Makes what is shown of what came over the wire: nodes without their marks, slots filled (views.md §12.6). It looks at
 * what has changed only, and plain data is shown as it came.
 */
export class Rendition {
  /** The nodes that have changed. */
  readonly nodes: Map<NodeKey, MirroredNode> = new Map();
  readonly #ports: RenditionPorts;

  constructor(ports: RenditionPorts) {
    this.#ports = ports;
  }

  /** What is shown of a value in a node. */
  show(wire: Json, owner: NodeKey): Json {
    if (!isContainer(wire)) return wire;
    const { keys, known, stale } = this.#ports;
    const before = known.get(wire);
    if (before !== undefined && !stale.has(owner)) return before;
    const key = keys.get(wire) ?? wireKey(wire);
    if (key !== undefined) return this.#node(wire, key, owner);
    const slot = this.#slot(wire, owner);
    if (slot !== undefined) return slot;
    const shown = this.#inside(wire, owner);
    known.set(wire, shown);
    return shown;
  }

  #slot(wire: Json, owner: NodeKey): Json | undefined {
    const { slots } = this.#ports;
    const stream = streamNameOf(wire);
    if (stream !== null) return slots.get(slotKey(owner, 'stream', stream))?.shown ?? emptyStream;
    const upload = uploadNameOf(wire);
    if (upload !== null) return slots.get(slotKey(owner, 'upload', upload))?.shown ?? emptyUpload;
    return undefined;
  }

  /** Of a node: what is equal to what was shown of it before is that. */
  #node(wire: object & Json, key: NodeKey, owner: NodeKey): Json {
    const { keys, nodes, stale } = this.#ports;
    const known = nodes.get(key);
    const isKept = known?.wire === wire && !stale.has(key);
    if (isKept && known.parent === owner) return known.shown;
    const shown = isKept ? known.shown : this.#anew(wire, key, known);
    keys.set(wire, key);
    if (isContainer(shown)) keys.set(shown, key);
    this.nodes.set(key, { wire, shown, parent: owner });
    return shown;
  }

  #anew(wire: Json, node: NodeKey, known: MirroredNode | undefined): Json {
    const { keys, nodes } = this.#ports;
    const made = this.#members(isObject(wire) ? wire : {}, node);
    if (known === undefined) return made;
    return share(made, known.shown, {
      keyOf: (value) => {
        if (value === made) return node;
        return isContainer(value) ? keys.get(value) : undefined;
      },
      before: (key) => (key === node ? known : (this.nodes.get(key) ?? nodes.get(key)))?.shown,
    });
  }

  #inside(wire: Members | readonly Json[], owner: NodeKey): Json {
    if (isAsyncValue(wire)) return this.#async(wire, owner);
    if (isObject(wire)) return this.#members(wire, owner);
    let made: Json[] | undefined;
    for (const [index, value] of wire.entries()) {
      const shown = this.show(value, owner);
      if (shown === value) continue;
      made ??= [...wire];
      made[index] = shown;
    }
    return made ?? wire;
  }

  /** A value as applications see it: data and error instead of result and reason (views.md §12.6). */
  #async(wire: Json, owner: NodeKey): Json {
    const part = (name: string): Json => this.show(memberOf(wire, name) ?? null, owner);
    return {
      status: memberOf(wire, 'status') ?? null,
      data: part('result'),
      error: part('reason'),
    };
  }

  #members(wire: Members, owner: NodeKey): Json {
    let made: { [name: string]: Json } | undefined;
    if (Object.hasOwn(wire, nodeMarker)) {
      const { [nodeMarker]: _, ...rest } = wire;
      made = rest;
    }
    for (const name of Object.keys(made ?? wire)) {
      const value = wire[name] ?? null;
      if (!isContainer(value)) continue;
      const shown = this.show(value, owner);
      if (shown === value) continue;
      made ??= { ...wire };
      setOwn(made, name, shown);
    }
    return made ?? wire;
  }
}
