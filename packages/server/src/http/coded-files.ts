import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { qualityOf } from './accept-encoding.ts';

/** How the bytes of a file travel. */
export type Coding = 'br' | 'gzip';

const codings: readonly Coding[] = ['br', 'gzip'];

/** What it pays to compress; all else is compressed by itself. */
const text = /^text\/|^image\/svg|^application\/(?:json|xml|wasm|manifest\+json)\b/;

const bytesMin = 1024;
const fileBytesMax = 16 * 1024 * 1024;
const keptBytesMax = 64 * 1024 * 1024;
// One more level costs three times as long, for a few bytes in a thousand.
const brotliQuality = 9;

const compressors = { br: promisify(brotliCompress), gzip: promisify(gzip) } as const;

/** Whether files of this type and size are sent compressed to those who can read it. */
export function isCodable(type: string, size: number): boolean {
  return text.test(type) && size >= bytesMin && size <= fileBytesMax;
}

/** What a client would rather have: of two that it likes the same the smaller one; null: the bytes as they are. */
export function codingFor(accepted: string | undefined): Coding | null {
  const [best] = codings
    .map((coding) => ({ coding, quality: qualityOf(coding, accepted) }))
    .filter(({ quality }) => quality > 0)
    .toSorted((a, b) => b.quality - a.quality);
  return best?.coding ?? null;
}

type Coded = { readonly bytes: Promise<Uint8Array<ArrayBuffer>>; size: number };

/** Files in the forms in which they travel: each is compressed once, and kept for as long as there is room. */
export class CodedFiles {
  /** By what they are made of and how; what was asked for last comes last. */
  readonly #kept = new Map<string, Coded>();
  #bytes = 0;

  /** The bytes of a file in a coding; `version` names them, and no others. Rejects where they cannot be read. */
  get(
    version: string,
    coding: Coding,
    read: () => Promise<Uint8Array>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const key = `${coding} ${version}`;
    const known = this.#kept.get(key);
    const coded = known ?? this.#make(key, coding, read);
    this.#kept.delete(key);
    this.#kept.set(key, coded);
    return coded.bytes;
  }

  #make(key: string, coding: Coding, read: () => Promise<Uint8Array>): Coded {
    const make = async (): Promise<Uint8Array<ArrayBuffer>> => compressed(coding, await read());
    const coded: Coded = { bytes: make(), size: 0 };
    // What was let go of meanwhile may have been asked for again: that is another one.
    const isKept = (): boolean => this.#kept.get(key) === coded;
    coded.bytes.then(
      ({ byteLength }) => isKept() && this.#keep(coded, byteLength),
      () => isKept() && this.#kept.delete(key),
    );
    return coded;
  }

  #keep(coded: Coded, size: number): void {
    coded.size = size;
    this.#bytes += size;
    for (const [oldest, { size: freed }] of this.#kept) {
      if (this.#bytes <= keptBytesMax) return;
      this.#kept.delete(oldest);
      this.#bytes -= freed;
    }
  }
}

async function compressed(coding: Coding, bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const { BROTLI_PARAM_QUALITY: quality, BROTLI_PARAM_SIZE_HINT: hint } = constants;
  const params = { [quality]: brotliQuality, [hint]: bytes.byteLength };
  const small =
    coding === 'br' ? await compressors.br(bytes, { params }) : await compressors.gzip(bytes);
  return new Uint8Array(small);
}
