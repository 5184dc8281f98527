/** Bytes of a text in UTF-8, without encoding it; −1 if it holds an unpaired surrogate (stores.md §3.1.6). */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    if (unit < 0xd800 || unit > 0xdfff) continue;
    if (!isPair(unit, text.charCodeAt(i + 1))) return -1;
    // Two units make four bytes; the loop has counted 1 + 2 for the first one and 1 for the second.
    i++;
  }
  return bytes;
}

/** Whether two UTF-16 units are a high and a low surrogate in this order. */
function isPair(high: number, low: number): boolean {
  return high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low <= 0xdfff;
}
