import { expect, test } from 'vitest';
import { key, opened } from './records-sse-setting.ts';

/** A stream that brings these texts in pieces of so many bytes. */
function inPieces(events: readonly string[], pieceBytes: number): Response {
  const bytes = new TextEncoder().encode(events.join(''));
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: (to) => {
      if (at < bytes.length) to.enqueue(bytes.subarray(at, at + pieceBytes));
      at += pieceBytes;
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

const synced = (envelope: object): string =>
  `event: sync\ndata: ${JSON.stringify({ key: key('a'), envelope })}\n\n`;
const ready = 'event: ready\ndata: {}\n\n';

test.each([1, 2, 3, 7, 1000])(
  'events that come in pieces of %i bytes are heard, each once and in order',
  async (pieceBytes) => {
    const texts = [': a sign of life\n\n', ready, ...[1, 2, 3].map((n) => synced({ n, é: 'ü' }))];
    const fetch = () => Promise.resolve(inPieces(texts, pieceBytes));
    const { transport, problems } = await opened({ fetch });
    const seen: unknown[] = [];
    transport.subscribe(key('a'), (message) => seen.push(message));
    await expect.poll(() => seen.length).toBe(3);
    expect(seen).toEqual([1, 2, 3].map((n) => ({ n, é: 'ü' })));
    expect(problems).toEqual([]);
  },
);

// Looked through anew with each piece it takes minutes, and the runner's limit ends it.
test('a large event that comes in small pieces is not looked through anew with each of them', async () => {
  const text = 'x'.repeat(15 * 2 ** 20);
  const fetch = () => Promise.resolve(inPieces([ready, synced({ text })], 1024));
  const { transport } = await opened({ fetch });
  const heard = new Promise((resolve) => void transport.subscribe(key('a'), resolve));
  expect(await heard).toEqual({ text });
});
