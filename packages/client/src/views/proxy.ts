import { isObject, type Json } from '@holdfast/protocol';
import type { NodeKey } from '@holdfast/engine/mirror';
import { type NodeId, uploadNameOf } from '@holdfast/protocol/views';
import { closedError } from '../mistakes.ts';
import { plainCopy } from '../plain-copy.ts';
import { rejected } from './rejected.ts';
import type { Root } from './root.ts';
import type { DispatchOptions, ViewProxy } from './types.ts';
import type { UploadHandle } from './upload.ts';
import { WeakValues } from './weak-values.ts';

/** The node that a proxy stands for. */
export type Site = { readonly root: Root; readonly node: NodeKey };

const sites: WeakMap<object, Site> = /* @__PURE__ */ new WeakMap();

/** The node that a proxy stands for. Throws a `TypeError` for what is no proxy of a view. */
export function siteOf(view: object): Site {
  const site = sites.get(view);
  if (site === undefined) throw new TypeError('This is no proxy of a view.');
  return site;
}

/** The proxies of one root: one for each node, the same as long as somebody has it (views.md §12.6). */
export class Proxies {
  readonly root: Root;
  readonly #uploadAt: (node: NodeKey, name: string) => UploadHandle;
  readonly #proxies = new WeakValues<ViewProxy>();
  /** What was made of lists and objects with nodes in them. */
  readonly #made = new WeakMap<object, unknown>();

  constructor(root: Root, uploadAt: (node: NodeKey, name: string) => UploadHandle) {
    this.root = root;
    this.#uploadAt = uploadAt;
  }

  of(node: NodeKey): ViewProxy {
    return this.#proxies.of(node, () => this.#make(node));
  }

  #make(node: NodeKey): ViewProxy {
    const root = this.root;
    const members = membersOf(root, node);
    const read = (name: string | symbol): unknown => {
      if (typeof name === 'symbol') return undefined;
      if (name.startsWith('$')) return Object.hasOwn(members, name) ? members[name] : undefined;
      return name === 'then' ? undefined : this.#field(node, name);
    };
    const names = (): string[] => {
      const snapshot = root.snapshot(node);
      return isObject(snapshot)
        ? Object.keys(snapshot).filter((name) => !/^(\$|then$)/.test(name))
        : [];
    };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it has the app's type says
    const proxy = new Proxy(Object.create(null) as object, {
      get: (_, name) => read(name),
      has: (_, name) =>
        typeof name === 'string' && (Object.hasOwn(members, name) || names().includes(name)),
      ownKeys: names,
      getOwnPropertyDescriptor: (_, name) =>
        typeof name === 'string' && names().includes(name)
          ? { value: read(name), enumerable: true, configurable: true, writable: false }
          : undefined,
      set: refuse,
      defineProperty: refuse,
      deleteProperty: refuse,
    }) as ViewProxy;
    sites.set(proxy, { root, node });
    return proxy;
  }

  #field(node: NodeKey, name: string): unknown {
    const snapshot = this.root.snapshot(node);
    if (!isObject(snapshot) || !Object.hasOwn(snapshot, name)) return undefined;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a part of a snapshot
    return this.#project(snapshot[name] as Json, this.root.mount?.mirror.wireOf(node, name), node);
  }

  /** A value with its nodes as proxies and its uploads as handles; itself where it has none. */
  #project(shown: Json, wire: Json | undefined, node: NodeKey): unknown {
    if (typeof shown !== 'object' || shown === null) return shown;
    const key = this.root.mount?.mirror.nodeOf(shown);
    if (key !== undefined) return this.of(key);
    const upload = uploadNameOf(wire);
    if (upload !== null) return this.#uploadAt(node, upload);
    // Plain data is shown as it came.
    if (shown === wire) return shown;
    if (this.#made.has(shown)) return this.#made.get(shown);
    const inside = (value: Json, name: string | number): unknown =>
      this.#project(value, memberOf(wire, name), node);
    const entries = Object.entries(shown).map(
      ([name, value]) => [name, inside(value, name)] as const,
    );
    const isPlain = entries.every(([name, value]) => value === memberOf(shown, name));
    const made: unknown = Array.isArray(shown)
      ? entries.map(([, value]) => value)
      : Object.fromEntries(entries);
    this.#made.set(shown, isPlain ? shown : Object.freeze(made));
    return this.#made.get(shown);
  }
}

function refuse(): boolean {
  throw new TypeError('A view is read only: its state is the server’s.');
}

function memberOf(value: Json | undefined, name: string | number): Json | undefined {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- lists and objects alike
      (value as { readonly [name: string | number]: Json })[name]
    : undefined;
}

function membersOf(root: Root, node: NodeKey): { readonly [name: string]: unknown } {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a key is the text of an id
  const id = Object.freeze(JSON.parse(node) as string[]);
  return {
    $id: id,
    $snapshot: () => root.snapshot(node),
    $subscribe: (listener: () => void) => root.subscribe(node, listener),
    $dispatch: (name: string, payload: unknown, options?: DispatchOptions) =>
      dispatch(root, { storeId: id, name, payload, options }),
    $on: (name: string, listener: (payload: never) => void) => root.events.on(node, name, listener),
    $health: () => root.health.get(),
  };
}

type Order = {
  readonly storeId: NodeId;
  readonly name: string;
  readonly payload: unknown;
  readonly options: DispatchOptions | undefined;
};

/** Sends a command. Who does not care how it ends need not handle it. */
function dispatch(root: Root, { storeId, name, payload = {}, options }: Order): Promise<unknown> {
  const { timeoutMs, signal, optimistic, queue, idempotent: isIdempotent } = options ?? {};
  if (root.mount === null) return rejected(closedError('view'));
  try {
    const rest = { payload: plainCopy(payload) };
    const wish = { event: 'command', storeId, name, rest, isRepeatable: true };
    return root.mount.ask({ ...wish, timeoutMs, signal, queue, isIdempotent }, optimistic);
  } catch (error) {
    return rejected(error);
  }
}
