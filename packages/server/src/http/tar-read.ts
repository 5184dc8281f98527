import { Problem } from './errors.ts';

const BLOCK = 512;

/** A file of a tar archive; its bytes are read before the next one is asked for, or passed over. */
export type Member = {
  readonly name: string;
  readonly size: number;
  readonly bytes: AsyncIterable<Uint8Array>;
};

/** The files of a tar archive (POSIX.1-1988, and sizes as GNU tar writes them), one after the other, as they come. */
export async function* membersOf(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Member, void, undefined> {
  const source = new Source(body);
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- in the order of the archive
    const head = await source.exactly(BLOCK);
    if (head === null || head.every((byte) => byte === 0)) return;
    const size = sizeIn(head);
    const state = { left: size };
    // `tar -c .` begins each name with where it was.
    const name = textIn(head, 0, 100).replace(/^\.\//, '');
    yield { name, size, bytes: source.some(state) };
    const padding = (BLOCK - (size % BLOCK)) % BLOCK;
    // oxlint-disable-next-line no-await-in-loop -- the same
    await source.skip(state.left + padding);
  }
}

/** Bytes that come in pieces, taken in pieces of other sizes. */
class Source {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #held: Uint8Array = new Uint8Array(0);

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#iterator = body[Symbol.asyncIterator]();
  }

  /** So many bytes; null where the archive has ended. */
  async exactly(count: number): Promise<Uint8Array | null> {
    const pieces: Uint8Array[] = [];
    for (let left = count; left > 0;) {
      // oxlint-disable-next-line no-await-in-loop -- until there are enough
      const piece = await this.#take(left);
      if (piece === null && left === count) return null;
      if (piece === null) throw brokenOff();
      pieces.push(piece);
      left -= piece.byteLength;
    }
    return Buffer.concat(pieces);
  }

  /** As many as are left of a file. */
  async *some(state: { left: number }): AsyncGenerator<Uint8Array, void, undefined> {
    while (state.left > 0) {
      // oxlint-disable-next-line no-await-in-loop -- the sender sets the pace
      const piece = await this.#take(state.left);
      if (piece === null) throw brokenOff();
      state.left -= piece.byteLength;
      yield piece;
    }
  }

  async skip(count: number): Promise<void> {
    const state = { left: count };
    for await (const _ of this.some(state)) if (state.left <= 0) break;
  }

  async #take(most: number): Promise<Uint8Array | null> {
    while (this.#held.byteLength === 0) {
      // oxlint-disable-next-line no-await-in-loop -- until something comes
      const next = await this.#iterator.next();
      if (next.done === true) return null;
      this.#held = next.value;
    }
    const piece = this.#held.subarray(0, most);
    this.#held = this.#held.subarray(piece.byteLength);
    return piece;
  }
}

function textIn(head: Uint8Array, start: number, length: number): string {
  const field = Buffer.from(head.subarray(start, start + length));
  const end = field.indexOf(0);
  return field.subarray(0, end === -1 ? length : end).toString('latin1');
}

function sizeIn(head: Uint8Array): number {
  const sum = head.reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 32 : byte), 0);
  const isSound = sum === Number.parseInt(textIn(head, 148, 8).trim(), 8);
  const isBinary = head[124] === 0x80;
  const size = isBinary
    ? Number(Buffer.from(head).readBigUInt64BE(128))
    : Number.parseInt(textIn(head, 124, 12).trim() || '0', 8);
  if (isSound && Number.isSafeInteger(size) && size >= 0) return size;
  throw new Problem(400, 'invalid_params', { detail: 'The body is not a tar archive.' });
}

function brokenOff(): Problem {
  return new Problem(400, 'invalid_params', { detail: 'The archive broke off.' });
}
