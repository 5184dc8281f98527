import { setOwn } from '../json.ts';
import { DecodeError, unreadable } from './codec.ts';

// Far above what a valid frame needs (limits.max_depth twice, plus the frame itself), far below the call stack.
const depthMax = 256;
const asciiMax = 24;
const twoTo32 = 0x1_0000_0000;

/** Reads one MessagePack value strictly. It takes memory in proportion to the bytes, whatever lengths they claim. */
export class MessagePackReader {
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #at = 0;

  read(bytes: Uint8Array): unknown {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = 0;
    const value = this.#value(0);
    if (this.#at !== bytes.length) throw new DecodeError('Bytes follow the frame.');
    return value;
  }

  #value(depth: number): unknown {
    const head = this.#uint(1);
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head >= 0xc0) return this.#long(head, depth);
    if (head >= 0xa0) return this.#text(head & 0x1f);
    return head < 0x90 ? this.#map(head & 0x0f, depth) : this.#list(head & 0x0f, depth);
  }

  #long(head: number, depth: number): unknown {
    if (head <= 0xc3) return constantOf(head);
    if (head >= 0xca && head <= 0xd3) return this.#number(head);
    if (head >= 0xde) return this.#map(this.#uint(head === 0xde ? 2 : 4), depth);
    if (head >= 0xdc) return this.#list(this.#uint(head === 0xdc ? 2 : 4), depth);
    if (head >= 0xd9) return this.#text(this.#uint(1 << (head - 0xd9)));
    if (head >= 0xd4) return this.#skip(1 + (1 << (head - 0xd4)));
    return head >= 0xc7
      ? this.#skip(1 + this.#uint(1 << (head - 0xc7)))
      : this.#skip(this.#uint(1 << (head - 0xc4)));
  }

  #number(head: number): number {
    if (head === 0xca || head === 0xcb) return this.#float(head === 0xca ? 4 : 8);
    const size = 1 << ((head - 0xcc) & 3);
    const unsigned = head <= 0xcf;
    if (size === 8) {
      const high = this.#uint(4);
      return (unsigned ? high : high | 0) * twoTo32 + this.#uint(4);
    }
    if (unsigned) return this.#uint(size);
    const shift = 32 - size * 8;
    return (this.#uint(size) << shift) >> shift;
  }

  #float(size: 4 | 8): number {
    const at = this.#take(size);
    return size === 4 ? this.#view.getFloat32(at) : this.#view.getFloat64(at);
  }

  #uint(size: number): number {
    const at = this.#take(size);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  /** Moves on and returns where the taken bytes begin. */
  #take(size: number): number {
    const at = this.#at;
    if (size > this.#bytes.length - at) throw new DecodeError('The frame is cut off.');
    this.#at = at + size;
    return at;
  }

  #skip(size: number): typeof unreadable {
    this.#take(size);
    return unreadable;
  }

  #text(size: number): string | typeof unreadable {
    const start = this.#take(size);
    if (size <= asciiMax) {
      let text = '';
      for (let i = start; i < start + size; i++) {
        const byte = this.#bytes[i] ?? 0;
        if (byte >= 0x80) return this.#utf8Text(start, size);
        text += String.fromCharCode(byte);
      }
      return text;
    }
    return this.#utf8Text(start, size);
  }

  #utf8Text(start: number, size: number): string | typeof unreadable {
    try {
      return this.#utf8.decode(this.#bytes.subarray(start, start + size));
    } catch {
      return unreadable;
    }
  }

  #list(length: number, depth: number): unknown {
    if (depth === depthMax) return this.#skipValues(length);
    const list: unknown[] = [];
    for (let i = 0; i < length; i++) list.push(this.#value(depth + 1));
    return list;
  }

  #map(length: number, depth: number): unknown {
    if (depth === depthMax) return this.#skipValues(length * 2);
    const map: { [key: string]: unknown } = {};
    let strict = true;
    for (let i = 0; i < length; i++) {
      const key = this.#value(depth + 1);
      const value = this.#value(depth + 1);
      if (typeof key === 'string') setOwn(map, key, value);
      else strict = false;
    }
    return strict ? map : unreadable;
  }

  // Too deep for recursion: counts what is still to come instead.
  #skipValues(count: number): typeof unreadable {
    for (let left = count; left > 0; left--) left += this.#skipHead();
    return unreadable;
  }

  /** Passes a value without its items, and tells how many items follow. */
  #skipHead(): number {
    const head = this.#bytes[this.#at] ?? 0;
    if (head >= 0xdc && head <= 0xdf) {
      this.#take(1);
      const length = this.#uint(head % 2 === 0 ? 2 : 4);
      return head >= 0xde ? length * 2 : length;
    }
    if (head < 0x80 || head >= 0xa0) {
      this.#value(0);
      return 0;
    }
    this.#take(1);
    return head < 0x90 ? (head & 0x0f) * 2 : head & 0x0f;
  }
}

function constantOf(head: number): null | boolean {
  if (head === 0xc1) throw new DecodeError('0xc1 is no MessagePack.');
  return head === 0xc0 ? null : head === 0xc3;
}
