import type { Json, JsonObject } from '@holdfast/protocol';
import { asyncMarker, type AsyncStatus } from '@holdfast/protocol/views';

/** An async value of a node, and which of its runs may still change it (views.md §9). */
export type AsyncValue = {
  readonly run: number;
  readonly wire: JsonObject;
  readonly result: Json;
};

/** What an async value becomes. */
export function asyncValue(
  run: number,
  of: { readonly status: AsyncStatus; readonly result: Json; readonly reason: Json },
): AsyncValue {
  return { run, wire: { [asyncMarker]: true, ...of }, result: of.result };
}
