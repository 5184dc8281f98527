import { passSchema } from '@holdfast/protocol';
import type { WirePath } from '../../data/index.ts';
import { isCopy } from './equal.ts';
import type { ViewNode } from './node.ts';
import type { ChildSlot, Slots } from './slots.ts';
import type { World } from './world.ts';

/** Where a render has put a child. */
export type Place = {
  readonly slot: ChildSlot;
  readonly storeId: readonly string[];
  readonly key: string;
  /** The node that stays there; null: one begins. */
  readonly existing: ViewNode | null;
  readonly holder: WirePath;
  readonly at: string | number;
};

/** Of two equal ways the one that is there. */
export function sharedHolder(holder: WirePath, known: WirePath): WirePath {
  if (known.length !== holder.length) return holder;
  return known.every((key, index) => key === holder[index]) ? known : holder;
}

/** What the view's schema makes of the props; throws where they do not pass. */
export function propsOf({ view, props }: ChildSlot): unknown {
  if (view.params === undefined) return props;
  const passed = passSchema(view.params, props);
  // One object where a schema has made another one of the same members: there is one for each node.
  if ('value' in passed) return isCopy(passed.value, props) ? props : passed.value;
  throw new TypeError(`The props of ${view.name} do not pass: ${passed.issue}.`);
}

/** Tells authors of streams that are declared and stand nowhere. */
export function warnOfStreams({ config, ports }: World, node: ViewNode, slots: Slots): void {
  if (config.dev !== true || node.rendered !== null) return;
  for (const name of slots.unplacedStreams()) {
    const text = `${node.view.name} declares the stream "${name}" and never places it.`;
    ports.perform({ type: 'warn', text });
  }
}
