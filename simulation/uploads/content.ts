/** The name of a file, which says what is in it. */
export function nameOf(who: string, size: number): string {
  return `${who}-${size}.bin`;
}

/** What is in a file of a name: no other name gives the same, and no piece of it is as another. */
export function contentOf(name: string): Uint8Array<ArrayBuffer> {
  const size = Number(/-(\d+)\.bin$/.exec(name)?.[1] ?? 0);
  const bytes = new Uint8Array(size);
  let state = Buffer.from(name).reduce((sum, byte) => (sum * 31 + byte) | 0, 7);
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    bytes[at] = state >>> 16;
  }
  return bytes;
}
