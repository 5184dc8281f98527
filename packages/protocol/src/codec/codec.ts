/** Turns frames into what a socket carries and back (stores.md §7.2.1). Both ends use the same one. */
export interface Codec {
  readonly vsn: '2.0.0' | '3.0.0';
  /** Whether `encode` yields bytes; otherwise it yields text. */
  readonly binary: boolean;
  encode(value: unknown): string | Uint8Array;
  /** Throws {@link DecodeError} and nothing else. Content that JSON lacks decodes to {@link unreadable}. */
  decode(data: string | Uint8Array): unknown;
}

/** Bytes that are not a value of the format at all; nothing can be read from them. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

/**
 * Stands for content that is well-formed in its format but not JSON: bin, ext, a map with a key that is not a string,
 * invalid UTF-8. So one bad field spoils neither the frame nor its `ref`: no reader takes a symbol for anything, and
 * `checkValue` answers `invalid_value` (stores.md §3.1.6, §7.2.2).
 */
export const unreadable: unique symbol = Symbol('unreadable');
