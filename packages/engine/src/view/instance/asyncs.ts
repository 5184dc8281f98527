import { streamMarker } from '@holdfast/protocol/views';
import { type AsyncValue, asyncValue } from './async-value.ts';
import { Cell } from './cell.ts';
import type { ViewNode } from './node.ts';

/** The async value of a node: never started, it loads. Throws where the view declares none of this name. */
export function asyncCell(node: ViewNode, name: string): Cell<AsyncValue> {
  const known = node.asyncs?.get(name);
  if (known !== undefined) return known;
  const declared = node.view.async ?? {};
  if (!Object.hasOwn(declared, name)) {
    throw new TypeError(`${node.view.name} declares no async value "${name}".`);
  }
  node.rare.asyncs ??= new Map();
  // The items of a stream's loader are in the stream, whose slot is the result in every status.
  const stream = declared[name]?.stream ?? null;
  const result = stream === null ? null : { [streamMarker]: stream };
  const cell = new Cell(asyncValue(0, { status: 'loading', result, reason: null }));
  node.rare.asyncs.set(name, cell);
  return cell;
}
