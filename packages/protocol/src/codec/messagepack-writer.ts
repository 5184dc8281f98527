const startSize = 4096;
const keepSize = 1024 * 1024;
const shortMax = 40;
const twoTo32 = 0x1_0000_0000;

/** Writes one value as MessagePack: integers as ints, other numbers as float64, string keys only (stores.md §7.2.1). */
export class MessagePackWriter {
  readonly #utf8 = new TextEncoder();
  #bytes = new Uint8Array(startSize);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  write(value: unknown): Uint8Array {
    this.#at = 0;
    this.#value(value);
    const written = this.#bytes.slice(0, this.#at);
    if (this.#bytes.length > keepSize) this.#resize(startSize, 0);
    return written;
  }

  #value(value: unknown): void {
    if (typeof value === 'string') this.#text(value);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'boolean') this.#byte(value ? 0xc3 : 0xc2);
    else if (typeof value === 'object') this.#object(value);
    else if (value === undefined) this.#byte(0xc0);
    else throw new TypeError(`A frame cannot hold a ${typeof value}.`);
  }

  #object(value: object | null): void {
    if (value === null) {
      this.#byte(0xc0);
    } else if (Array.isArray(value)) {
      this.#head(value.length, { fixed: 0x90, fixedMax: 15, wide: 0xdc });
      for (const item of value) this.#value(item);
    } else {
      // As in JSON, a property that is undefined is absent.
      const properties = Object.entries(value).filter(([, item]) => item !== undefined);
      this.#head(properties.length, { fixed: 0x80, fixedMax: 15, wide: 0xde });
      for (const [key, item] of properties) {
        this.#text(key);
        this.#value(item);
      }
    }
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value)) {
      this.#byte(0xcb);
      const at = this.#reserve(8);
      this.#view.setFloat64(at, value);
    } else if (value >= 0) {
      this.#positive(value);
    } else {
      this.#negative(value);
    }
  }

  #positive(value: number): void {
    // The addition turns −0 into 0.
    if (value < 0x80) this.#byte(value + 0);
    else if (value < 0x100) this.#sized(0xcc, 1, value);
    else if (value < 0x1_0000) this.#sized(0xcd, 2, value);
    else if (value < twoTo32) this.#sized(0xce, 4, value);
    else this.#wide(0xcf, value);
  }

  #negative(value: number): void {
    if (value >= -0x20) this.#byte(value + 0x100);
    else if (value >= -0x80) this.#sized(0xd0, 1, value);
    else if (value >= -0x8000) this.#sized(0xd1, 2, value);
    else if (value >= -0x8000_0000) this.#sized(0xd2, 4, value);
    else this.#wide(0xd3, value);
  }

  #wide(head: number, value: number): void {
    this.#sized(head, 4, Math.floor(value / twoTo32));
    const at = this.#reserve(4);
    this.#view.setUint32(at, value % twoTo32);
  }

  #text(text: string): void {
    if (text.length > shortMax || !this.#ascii(text)) this.#utf8Text(text);
  }

  /** Writes a short text of plain ASCII; otherwise leaves no trace and says no. */
  #ascii(text: string): boolean {
    const start = this.#at;
    this.#textHead(text.length);
    const at = this.#reserve(text.length);
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) {
        this.#at = start;
        return false;
      }
      this.#bytes[at + i] = unit;
    }
    return true;
  }

  // Encodes behind room for the longest head, then closes the gap.
  #utf8Text(text: string): void {
    const start = this.#at;
    const from = this.#reserve(5 + text.length * 3) + 5;
    const { written } = this.#utf8.encodeInto(text, this.#bytes.subarray(from));
    this.#at = start;
    this.#textHead(written);
    this.#bytes.copyWithin(this.#at, from, from + written);
    this.#at += written;
  }

  #textHead(length: number): void {
    if (length < 0x20) this.#byte(0xa0 + length);
    else if (length < 0x100) this.#sized(0xd9, 1, length);
    else this.#head(length, { fixed: 0, fixedMax: -1, wide: 0xda });
  }

  #head(length: number, form: { fixed: number; fixedMax: number; wide: number }): void {
    if (length <= form.fixedMax) this.#byte(form.fixed + length);
    else if (length < 0x1_0000) this.#sized(form.wide, 2, length);
    else this.#sized(form.wide + 1, 4, length);
  }

  #byte(byte: number): void {
    // Room first: it may move the bytes elsewhere.
    const at = this.#reserve(1);
    this.#bytes[at] = byte;
  }

  #sized(head: number, size: 1 | 2 | 4, value: number): void {
    const at = this.#reserve(1 + size);
    this.#bytes[at] = head;
    if (size === 1) this.#view.setUint8(at + 1, value);
    else if (size === 2) this.#view.setUint16(at + 1, value);
    else this.#view.setUint32(at + 1, value);
  }

  #reserve(size: number): number {
    const at = this.#at;
    this.#at = at + size;
    if (this.#at > this.#bytes.length) this.#resize(Math.max(this.#at, this.#bytes.length * 2), at);
    return at;
  }

  #resize(size: number, kept: number): void {
    const larger = new Uint8Array(size);
    larger.set(this.#bytes.subarray(0, kept));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
