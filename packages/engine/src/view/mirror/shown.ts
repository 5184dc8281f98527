import { isObject, type Json, setOwn } from '@holdfast/protocol';
import { isAsyncValue, nodeMarker, streamNameOf, uploadNameOf } from '@holdfast/protocol/views';
import { emptyUpload } from './slots.ts';
import { isContainer, memberOf, type Members, type NodeKey, wireKey } from './names.ts';

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
  readonly node: (key: NodeKey) => MirroredNode | undefined;
  /** Nodes with a slot whose filling has changed, and all nodes that those are in. */
  readonly stale: ReadonlySet<NodeKey>;
  /** What fills a slot; undefined: nothing has come of it. */
  readonly slot: (node: NodeKey, kind: 'stream' | 'upload', name: string) => Json | undefined;
  /** Hears of each value that is shown for the first time. */
  readonly made: (shown: object, node: NodeKey | null) => void;
};

/**
 * Makes what is shown of what came over the wire: nodes without their marks, slots filled (views.md §12.6). It looks at
 * what has changed only, and plain data is shown as it came.
 */
export class Rendition {
  /** The nodes that were met. */
  readonly nodes: Map<NodeKey, MirroredNode> = new Map();
  readonly #ports: RenditionPorts;

  constructor(ports: RenditionPorts) {
    this.#ports = ports;
  }

  /** What is shown of a value; `was` is what was at its place before, `before` what was shown of that. */
  show(wire: Json, { was, before, owner }: Place): Json {
    if (!isContainer(wire)) return wire;
    // What is shown as it came has neither nodes nor slots.
    if (wire === was && (before === was || !this.#ports.stale.has(owner))) return before ?? wire;
    const key = wireKey(wire);
    if (key !== undefined) return this.#node(wire, key, owner);
    const slot = this.#slot(wire, owner);
    if (slot !== undefined) return slot;
    if (isAsyncValue(wire)) return this.#async(wire, { was, before, owner });
    return isObject(wire)
      ? this.#members(wire, { was, before, owner })
      : this.#list(wire, { was, before, owner });
  }

  #slot(wire: Json, owner: NodeKey): Json | undefined {
    const stream = streamNameOf(wire);
    if (stream !== null) return this.#ports.slot(owner, 'stream', stream) ?? emptyStream;
    const upload = uploadNameOf(wire);
    if (upload !== null) return this.#ports.slot(owner, 'upload', upload) ?? emptyUpload;
    return undefined;
  }

  #node(wire: Json, key: NodeKey, owner: NodeKey): Json {
    const known = this.#ports.node(key);
    const { wire: was, shown: before } = known ?? {};
    const isKept = known !== undefined && wire === was && !this.#ports.stale.has(key);
    const shown = isKept
      ? known.shown
      : this.#members(isObject(wire) ? wire : {}, { was, before, owner: key });
    this.nodes.set(key, { wire, shown, parent: owner });
    if (shown !== before && isContainer(shown)) this.#ports.made(shown, key);
    return shown;
  }

  /** A value as applications see it: data and error instead of result and reason (views.md §12.6). */
  #async(wire: Json, { was, before, owner }: Place): Json {
    const part = (from: string, to: string): Json =>
      this.show(memberOf(wire, from) ?? null, {
        was: isAsyncValue(was) ? memberOf(was, from) : undefined,
        before: memberOf(before, to),
        owner,
      });
    const status = memberOf(wire, 'status') ?? null;
    return this.#settle(
      { status, data: part('result', 'data'), error: part('reason', 'error') },
      before,
    );
  }

  #members(wire: Members, { was, before, owner }: Place): Json {
    let made: { [name: string]: Json } | undefined;
    for (const name of Object.keys(wire)) {
      const value = memberOf(wire, name) ?? null;
      const place = { was: memberOf(was, name), before: memberOf(before, name), owner };
      const shown = name === nodeMarker ? undefined : this.show(value, place);
      if (shown === value) continue;
      made ??= { ...wire };
      if (shown === undefined) delete made[name];
      else setOwn(made, name, shown);
    }
    return this.#settle(made ?? wire, before === was ? undefined : before);
  }

  #list(wire: readonly Json[], { was, before, owner }: Place): Json {
    const places = placesOf(was, before);
    let made: Json[] | undefined;
    for (const [index, value] of wire.entries()) {
      const shown = this.show(value, { ...places(value, index), owner });
      if (shown === value) continue;
      made ??= [...wire];
      made[index] = shown;
    }
    return this.#settle(made ?? wire, before === was ? undefined : before);
  }

  /** What was shown before where nothing in it has changed. */
  #settle(made: Members | readonly Json[], before: Json | undefined): Json {
    if (!isContainer(before) || Array.isArray(before) !== Array.isArray(made)) {
      return this.#made(made);
    }
    const names = Object.keys(made);
    const isEqual =
      names.length === Object.keys(before).length &&
      names.every((name) => memberOf(made, name) === memberOf(before, name));
    return isEqual ? before : this.#made(made);
  }

  #made(shown: Members | readonly Json[]): Json {
    this.#ports.made(shown, null);
    return shown;
  }
}

/** Where a value stands: in which node, in whose place, and what was shown there. */
type Place = {
  readonly was: Json | undefined;
  readonly before: Json | undefined;
  readonly owner: NodeKey;
};

/** What was at the place of each element: the element itself where it was in the list, else what was at its index. */
function placesOf(
  was: Json | undefined,
  before: Json | undefined,
): (value: Json, index: number) => Pick<Place, 'was' | 'before'> {
  let indices: Map<Json, number> | undefined;
  const at = (index: number): Pick<Place, 'was' | 'before'> => ({
    was: memberOf(was, index),
    before: memberOf(before, index),
  });
  return (value, index) => {
    const here = at(index);
    if (here.was === value || !isContainer(value) || !Array.isArray(was)) return here;
    indices ??= new Map(was.map((each: Json, place) => [each, place]));
    return at(indices.get(value) ?? index);
  };
}
