import { expect, test } from 'vitest';
import { eventsIn, type ServerEvent } from '../src/events.ts';

test('events that come byte by byte are heard as those that come at once, whatever ends their lines', async () => {
  const said = [
    ': hello',
    '',
    'event: op',
    'id: 7',
    'data: {"é":',
    'data: 1}',
    '',
    'id: 8',
    '',
    '',
  ];
  for (const ending of ['\n', '\r\n']) {
    const bytes = new TextEncoder().encode(said.join(ending));
    // oxlint-disable-next-line no-await-in-loop -- one by one
    const atOnce = await heardOf([bytes]);
    expect(atOnce.at(-1)).toEqual({ event: 'message', id: '8', data: '' });
    expect(atOnce).toContainEqual({ event: 'op', id: '7', data: '{"é":\n1}' });
    // oxlint-disable-next-line no-await-in-loop -- one by one
    expect(await heardOf(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(atOnce);
  }
});

test('a message that does not end is given up, before it takes all memory', async () => {
  const piece = new Uint8Array(1024 * 1024).fill(120);
  const endless = Array.from({ length: 18 }, () => piece);
  await expect(heardOf(endless)).rejects.toThrow('does not end');
});

async function heardOf(pieces: readonly Uint8Array[]): Promise<ServerEvent[]> {
  const heard: ServerEvent[] = [];
  for await (const event of eventsIn(from(pieces))) heard.push(event);
  return heard;
}

async function* from(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
