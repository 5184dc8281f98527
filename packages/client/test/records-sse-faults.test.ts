import { HoldfastError } from '@holdfast/client';
import { record, passthrough } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { heard, key, opened } from './records-sse-setting.ts';

const Stranger = record({
  name: 'stranger',
  store: 'acme/app',
  path: 'strangers/:id',
  version: '1.0',
  schema: passthrough<object>(),
});

const asked = (id: string) => ({
  key: key(id),
  record: 'item',
  params: { id },
  client_version: '1.0',
});
const stranger = { ...asked('1'), key: Stranger.key({ id: '1' }), record: 'stranger' };
const { signal } = new AbortController();

test('R248 a stream that gives way to another is let go of, and the last with its transport', async () => {
  const streams: AbortSignal[] = [];
  const here = await opened({
    fetch: (url, init) => {
      streams.push(init.signal);
      return fetch(url, init);
    },
  });
  await heard(here, 'a');
  await heard(here, 'b');
  expect(streams.map(({ aborted }) => aborted)).toEqual([true, false]);
  await here.transport.close();
  expect(streams.map(({ aborted }) => aborted)).toEqual([true, true]);
});

test('what answers in the place of the server is no stream: it is let go of and told of, and the server is asked again', async () => {
  let isLetGo = false;
  const page = new ReadableStream<Uint8Array>({ cancel: () => void (isLetGo = true) });
  const answers = [new Response(page, { headers: { 'content-type': 'text/html' } })];
  const here = await opened({ fetch: async (url, init) => answers.shift() ?? fetch(url, init) });
  const seen = await heard(here, 'a');
  await here.write('a', 1);
  await expect.poll(() => seen).toEqual([1]);
  const error = { code: 'unavailable', details: { content_type: 'text/html' } };
  expect(here.problems).toMatchObject([{ phase: 'stream', error }]);
  expect(isLetGo).toBe(true);
});

test('an event that cannot be read is told of and counted, and those after it are heard', async () => {
  const here = await opened({
    fetch: async (url, init) => {
      const { body, headers } = await fetch(url, init);
      const noise = new TextEncoder().encode(
        'event: sync\ndata: {"key"\n\nevent: strange\ndata: 1\n\n',
      );
      let isFirst = true;
      const noisy = new TransformStream<Uint8Array, Uint8Array>({
        transform: (piece, controller) => {
          if (isFirst) controller.enqueue(noise);
          isFirst = false;
          controller.enqueue(piece);
        },
      });
      return new Response(body?.pipeThrough(noisy) ?? null, { headers });
    },
  });
  const seen = await heard(here, 'a');
  await here.write('a', 1);
  await expect.poll(() => seen).toEqual([1]);
  expect(here.problems.map(({ phase }) => phase)).toEqual(['decode', 'decode']);
  expect(here.transport.stats().decodeErrors).toBe(2);
});

test('R238 of keys that are asked about together one that is none is denied, and the others are answered', async () => {
  const here = await opened();
  await here.write('a', 1);
  const answers = await here.transport.handshake([asked('a'), stranger, asked('b')], { signal });
  expect(answers).toMatchObject([
    { key: key('a'), type: 'snapshot', envelope: { value: { n: 1 } } },
    { key: stranger.key, type: 'denied', reason: 'unknown_record' },
    { key: key('b'), type: 'gone' },
  ]);
});

test('who asks where nobody answers is told why, and nothing waits for ever', async () => {
  const fault = new Error('the network is gone');
  const here = await opened({ fetch: () => Promise.reject(fault) });
  const both = here.transport.handshake([asked('a'), asked('b')], { signal });
  await expect(both).rejects.toBe(fault);
  await here.transport.close();
  const late = here.transport.handshake([asked('a')], { signal });
  await expect(late).rejects.toEqual(new HoldfastError('transport_closed'));
});
