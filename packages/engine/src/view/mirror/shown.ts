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
    const { [nodeMarker]: mark, ...rest } = wire;
    let made: { [name: string]: Json } | undefined = mark === undefined ? undefined : rest;
    for (const name of Object.keys(rest)) {
      const value = wire[name] ?? null;
      if (!isContainer(value)) continue;
      const place = { was: memberOf(was, name), before: memberOf(before, name), owner };
      const shown = this.show(value, place);
      if (shown === value) continue;
      made ??= rest;
      setOwn(made, name, shown);
    }
    return this.#settle(made ?? wire, before === was ? undefined : before);
  }

  #list(wire: readonly Json[], { was, before, owner }: Place): Json {
    const isStale = this.#ports.stale.has(owner);
    const pairs = new Pairs(was, before);
    let made: Json[] | undefined;
    for (let index = 0; index < wire.length; index++) {
      const value = wire[index] ?? null;
      if (!isContainer(value)) continue;
      const at = pairs.indexOf(value, index);
      const [old, shownOld] = [pairs.was[at], pairs.before[at]];
      const kept = isStale || old !== value ? undefined : shownOld;
      const shown = kept ?? this.show(value, { was: old, before: shownOld, owner });
      if (shown === value) continue;
      made ??= [...wire];
      made[index] = shown;
    }
    return this.#settle(made ?? wire, before === was ? undefined : before);
  }

  /** What was shown before where nothing in it has changed. */
  #settle(made: Members | readonly Json[], before: Json | undefined): Json {
    return isContainer(before) && isAlike(made, before) ? before : this.#made(made);
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

/** A list as it was, and what was shown of it. */
class Pairs {
  readonly was: readonly Json[];
  readonly before: readonly Json[];
  #indices: Map<Json, number> | undefined;

  constructor(was: Json | undefined, before: Json | undefined) {
    const isList = Array.isArray(was) && Array.isArray(before);
    this.was = isList ? was : [];
    this.before = isList ? before : [];
  }

  /** Where an element was: itself where it was in the list, else whatever was at its index. */
  indexOf(value: Json, index: number): number {
    if (this.was[index] === value || this.was.length === 0) return index;
    this.#indices ??= new Map(this.was.map((each, at) => [each, at]));
    return this.#indices.get(value) ?? index;
  }
}

/** Whether two values have the same members or elements. */
function isAlike(made: Members | readonly Json[], before: Members | readonly Json[]): boolean {
  if (Array.isArray(made)) {
    if (!Array.isArray(before) || made.length !== before.length) return false;
    return made.every((value, index) => value === before[index]);
  }
  if (Array.isArray(before)) return false;
  const names = Object.keys(made);
  return (
    names.length === Object.keys(before).length &&
    names.every((name) => memberOf(made, name) === memberOf(before, name))
  );
}
