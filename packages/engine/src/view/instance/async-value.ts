import type { Json, JsonObject } from '@holdfast/protocol';
import { asyncMarker, type AsyncStatus } from '@holdfast/protocol/views';

/** An async value of a node, and which of its runs may still change it (views.md §9). */
export type AsyncValue = {
  readonly run: number;
  readonly wire: JsonObject;
  readonly result: Json;
  readonly size: ResultSize;
};

/** What a result adds to the tree. */
export type ResultSize = { readonly weight: number; readonly height: number };

/** What an async value becomes. */
export function asyncValue(
  run: number,
  of: { readonly status: AsyncStatus; readonly result: Json; readonly reason: Json },
  { weight, height }: ResultSize = { weight: 0, height: 0 },
): AsyncValue {
  const size = { weight, height };
  return { run, wire: { [asyncMarker]: true, ...of }, result: of.result, size };
}

/** Whether a run of it is under way. */
export function isLoading({ run, wire }: AsyncValue): boolean {
  return run > 0 && wire['status'] === 'loading';
}
