import { utf8Length } from '@holdfast/protocol';
import { type EnvelopeTail, tailText } from '@holdfast/protocol/views';

/** How a host puts the lists of an envelope on the wire. */
export type TailFormat<T> = (content: EnvelopeTail) => T;

/** How many bytes something takes as JSON. */
export function jsonBytes(value: unknown): number {
  return utf8Length(JSON.stringify(value));
}

/** What an envelope holds, encoded once per format, whoever it is sent to (views.md §5.5). */
export class Tail {
  readonly content: EnvelopeTail;
  #text: string | null = null;
  #size: number | null = null;
  #packed: Uint8Array | null = null;

  constructor(content: EnvelopeTail) {
    this.content = content;
  }

  /** The second part of the envelope's JSON text. */
  get text(): string {
    this.#text ??= tailText(this.content);
    return this.#text;
  }

  /** The last four pairs of the envelope's map, as the host's MessagePack has them. */
  packed(pack: TailFormat<Uint8Array>): Uint8Array {
    this.#packed ??= pack(this.content);
    return this.#packed;
  }

  /** How many bytes it takes on the wire; looks at what was encoded, and encodes JSON only if nothing was. */
  get bytes(): number {
    this.#size ??= this.#packed?.length ?? utf8Length(this.text);
    return this.#size;
  }
}
