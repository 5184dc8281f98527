import type { LoggedOp } from '@holdfast/engine/authority';
import type { Seq } from '@holdfast/protocol';
import type { Storage } from '../storage/port.ts';
import { turn } from '../storage/turn.ts';
import { LogRing } from './log-ring.ts';

const READ_OPS = 1000;
const READ_BYTES = 1024 * 1024;

/** As much of a log as is read at one go. */
export const readLimit: { readonly ops: number; readonly bytes: number } = {
  ops: READ_OPS,
  bytes: READ_BYTES,
};

/** The log of one open store: its end from memory, what came before from where it is stored. */
export class StoreLog {
  readonly #storage: Pick<Storage, 'read'>;
  readonly #store: string;
  readonly #ring: LogRing;

  constructor(storage: Pick<Storage, 'read'>, store: string, head: Seq) {
    this.#storage = storage;
    this.#store = store;
    this.#ring = new LogRing(head);
  }

  push(ops: readonly LoggedOp[]): void {
    this.#ring.push(ops);
  }

  /** A first part of the ops in (after, through]: whole commits, about a thousand ops or a mebibyte. */
  async read(after: Seq, through: Seq): Promise<readonly LoggedOp[]> {
    const ops = await this.#part(after, through);
    const last = ops.at(-1);
    if (last === undefined || last.tx === null || last.tx === last.seq) return ops;
    return this.#completed(ops, last.tx);
  }

  /** With the rest of a commit, others having their turns in between, for it may be large; nothing where the log forgets it meanwhile. */
  async #completed(begun: readonly LoggedOp[], through: Seq): Promise<readonly LoggedOp[]> {
    const ops = [...begun];
    for (let at = ops.at(-1)?.seq ?? through; at < through;) {
      // oxlint-disable-next-line no-await-in-loop -- part by part, in the order of the log
      const more = await this.#part(at, through);
      if (more[0]?.seq !== at + 1) return [];
      for (const op of more) ops.push(op);
      at += more.length;
      // oxlint-disable-next-line no-await-in-loop -- others want their turn
      if (at < through) await turn();
    }
    return ops;
  }

  async #part(after: Seq, through: Seq): Promise<readonly LoggedOp[]> {
    const ops = Math.min(through - after, READ_OPS);
    const recent = this.#ring.read(after, after + ops, READ_BYTES);
    return recent ?? this.#storage.read(this.#store, after, { ...readLimit, ops });
  }
}
