/** An append of nothing: only the turn is wanted. */
export async function* noBytes(): AsyncIterable<Uint8Array> {
  // There is nothing to give.
}
