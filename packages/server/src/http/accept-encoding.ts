/** How much a client wants a content coding, from 0, not at all, to 1 (RFC 9110 §12.5.3). */
export function qualityOf(coding: string, accepted: string = ''): number {
  const said = new Map(accepted.split(',').map(readItem));
  return said.get(coding) ?? said.get('*') ?? 0;
}

/** A coding and its weight; one that cannot be read is none. */
function readItem(item: string): readonly [coding: string, quality: number] {
  const [coding = '', weight = 'q=1'] = item
    .trim()
    .toLowerCase()
    .split(/\s*;\s*/);
  const quality = Number(/^q=([\d.]+)$/.exec(weight)?.[1] ?? NaN);
  return [coding, Number.isNaN(quality) ? 0 : Math.min(quality, 1)];
}
