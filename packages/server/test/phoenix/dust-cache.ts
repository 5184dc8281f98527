import { typeOfOp } from '@holdfast/engine/data';
import {
  asPath,
  childPath,
  flatten,
  isPlainObject,
  type Json,
  type OpName,
} from '@holdfast/protocol';

/** The payload of an `event` (stores.md §7.6.1). */
export type DustEvent = {
  readonly store_seq: number;
  readonly op: OpName;
  readonly path: string;
  readonly value: Json;
  readonly device_id: string;
  readonly client_op_id: string;
};

/** A row of the cache. */
export type DustRow = { readonly value: Json; readonly type: string; readonly revision: number };

/**
 * What a capver-3 client keeps: rows, and the seq to join at. A value that is no map touches the exact path only, and
 * the cursor is simply the seq of the last event.
 */
export class DustCache {
  readonly rows = new Map<string, DustRow>();
  cursor = 0;
  readonly #clearsOnSnapshot: boolean;

  constructor(options: { readonly clearsOnSnapshot?: boolean } = {}) {
    this.#clearsOnSnapshot = options.clearsOnSnapshot ?? true;
  }

  /** Takes in one push of the server. */
  take(event: string, payload: object): void {
    if (event === 'event') this.#apply(payload as DustEvent);
    else if (event === 'snapshot' && this.#clearsOnSnapshot) this.rows.clear();
    else if (event === 'catch_up_complete' && 'through_seq' in payload) {
      this.cursor = Number(payload.through_seq);
    }
  }

  #apply({ store_seq: seq, op, path, value }: DustEvent): void {
    this.cursor = seq;
    if (op === 'delete' || op === 'release') this.#clear(path);
    else if (op === 'set' && isPlainObject(value)) this.#replace(path, value, seq);
    else if (op === 'merge') this.#merge(path, value, seq);
    else this.rows.set(path, { value, type: typeOfOp(op, value), revision: seq });
  }

  #replace(path: string, value: Json, seq: number): void {
    this.#clear(path);
    this.#write(path, value, seq);
  }

  #merge(path: string, value: Json, seq: number): void {
    if (!isPlainObject(value)) return;
    for (const [key, child] of Object.entries(value)) {
      this.#write(childPath(asPath(path), key), child, seq);
    }
  }

  #write(path: string, value: Json, seq: number): void {
    for (const [leaf, child] of flatten(asPath(path), value)) {
      this.rows.set(leaf, { value: child, type: typeOfOp('set', child), revision: seq });
    }
  }

  #clear(path: string): void {
    for (const row of this.rows.keys()) {
      if (row === path || row.startsWith(`${path}/`)) this.rows.delete(row);
    }
  }
}
