import type { Json } from '@holdfast/protocol';
import { streamMarker, streamNameOf, uploadMarker, uploadNameOf } from '@holdfast/protocol/views';
import type { RenderSlots, ViewDefinition } from '../definition.ts';

/** A child in the output of `render`, until it is placed. */
export class ChildSlot {
  readonly slots: Slots;
  readonly view: ViewDefinition;
  readonly id: string;
  readonly props: unknown;
  readonly on: { readonly [signal: string]: string };

  constructor(
    slots: Slots,
    of: { readonly view: ViewDefinition; readonly id: string },
    given: { readonly props: unknown; readonly on: { readonly [signal: string]: string } },
  ) {
    this.slots = slots;
    this.view = of.view;
    this.id = of.id;
    this.props = given.props;
    this.on = given.on;
  }
}

/** A stream, an upload or an async value in the output of `render`. */
export class NamedSlot {
  readonly slots: Slots;
  readonly kind: 'stream' | 'upload' | 'async';
  readonly name: string;

  constructor(slots: Slots, kind: 'stream' | 'upload' | 'async', name: string) {
    this.slots = slots;
    this.kind = kind;
    this.name = name;
  }
}

const noSignals = {};

/** What `render` is given as `h`: it works within its call only, and each slot may stand in one place (views.md §11.3). */
export class Slots implements RenderSlots {
  readonly #view: ViewDefinition;
  readonly #placed = new Set<string | ChildSlot>();
  #isOpen = true;

  constructor(view: ViewDefinition) {
    this.#view = view;
  }

  /** The call is over. */
  close(): void {
    this.#isOpen = false;
  }

  // Fields, so that each works by its name alone: `render: (state, { child }) => …`.
  readonly child: RenderSlots['child'] = (view, id, ...given) => {
    const [props = {}, options] = given;
    this.#check();
    if (typeof id !== 'string' || id === '') {
      throw new TypeError(`h.child: the id of ${view.name} must be a string that is not empty.`);
    }
    refuseFunctions(props, `the props of ${view.name} ${id}`, 0);
    return new ChildSlot(this, { view, id }, { props, on: options?.on ?? noSignals });
  };

  readonly stream: RenderSlots['stream'] = (name) =>
    this.#named('stream', name, this.#view.streams);

  readonly async: RenderSlots['async'] = (name) => this.#named('async', name, this.#view.async);

  readonly upload: RenderSlots['upload'] = (name) =>
    this.#named('upload', name, this.#view.uploads);

  /** Notes that a slot stands somewhere; throws where it stands already, or is of another render. */
  place(slot: ChildSlot | NamedSlot): void {
    if (slot.slots !== this) throw new TypeError('A slot is of another render.');
    const mark = slot instanceof ChildSlot ? slot : this.#markOf(slot);
    if (mark === null) return;
    if (this.#placed.has(mark)) {
      const what = typeof mark === 'string' ? mark : `child ${mark.id}`;
      throw new TypeError(`The ${what} is placed twice.`);
    }
    this.#placed.add(mark);
  }

  /** The declared streams that stand nowhere. */
  unplacedStreams(): readonly string[] {
    const declared = Object.keys(this.#view.streams ?? {});
    return declared.filter((name) => !this.#placed.has(`stream ${name}`));
  }

  /** Of an async value the stream that its loader fills; null: it may stand anywhere. */
  #markOf({ kind, name }: NamedSlot): string | null {
    if (kind !== 'async') return `${kind} ${name}`;
    const stream = this.#view.async?.[name]?.stream ?? null;
    return stream === null ? null : `stream ${stream}`;
  }

  #named(kind: NamedSlot['kind'], name: string, declared: object | undefined): NamedSlot {
    this.#check();
    if (declared === undefined || !Object.hasOwn(declared, name)) {
      throw new TypeError(`${this.#view.name} declares no ${kind} "${name}".`);
    }
    return new NamedSlot(this, kind, name);
  }

  #check(): void {
    if (!this.#isOpen) throw new TypeError('h works during the call of render only.');
  }
}

/** The wire form of a stream's or an upload's slot: what it was, where it is the same. */
export function slotMark(
  kind: 'stream' | 'upload',
  name: string,
  previous: Json | undefined,
): Json {
  const nameOf = kind === 'stream' ? streamNameOf : uploadNameOf;
  if (previous !== undefined && nameOf(previous) === name) return previous;
  return { [kind === 'stream' ? streamMarker : uploadMarker]: name };
}

const propsDepthMax = 64;

/** Props are plain data: upward go signals, not calls (views.md §11.3). */
function refuseFunctions(value: unknown, where: string, depth: number): void {
  if (typeof value === 'function') throw new TypeError(`There is a function in ${where}.`);
  if (typeof value !== 'object' || value === null) return;
  if (depth === propsDepthMax) throw new TypeError(`${where} are nested too deep.`);
  for (const member of Object.values(value)) refuseFunctions(member, where, depth + 1);
}
