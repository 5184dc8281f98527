import type { OpId } from '../brand.ts';
import type { Refusal } from '../refusals.ts';
import { invalidField, isText } from '../shape.ts';

const bytesMax = 128;

/** Reads the `client_op_id` of a push: a string of 1…128 bytes (stores.md §6.1). */
export function readOpId(payload: { readonly client_op_id?: unknown }): OpId | Refusal {
  const { client_op_id: id } = payload;
  return isText(id, bytesMax) && id !== '' ? id : invalidField('client_op_id');
}
