import { passthrough, record } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import { world } from '../conversation/world.ts';
import { eventsOf } from './sse-reader.ts';

const Page = record({
  name: 'page',
  store: 'demo/main',
  path: 'pages/:id',
  version: '1.0',
  schema: passthrough<{ readonly n: number; readonly text?: string }>(),
});
const key = 'rec/demo/main/pages/1';

async function site() {
  const clock = new VirtualClock();
  const { server } = await world({ clock, storage: memory({ now: clock.wall }) });
  const pages = server.record(Page);
  const handler = server.syncHandler({ authorize: 'public' });
  const open = async (headers: Record<string, string> = {}): Promise<Response> => {
    const abort = new AbortController();
    onTestFinished(() => abort.abort());
    const { signal } = abort;
    const request = new Request(`http://x/api/records?key=${key}`, { headers, signal });
    return handler.GET(request, { principal: { subject: 'eve' }, now: 0 });
  };
  return { clock, pages, open };
}

test('R242 a stream on which nothing is said shows each 15 s that it lives, and not before', async () => {
  const { clock, pages, open } = await site();
  await pages.write({ id: '1' }, { set: { n: 1 } });
  const reader = (await open()).body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const until = async (end: string): Promise<void> => {
    while (!text.includes(end)) {
      const part = await reader?.read();
      if (part === undefined || part.done) throw new Error('the stream has ended');
      text += part.value;
    }
  };
  await until('event: ready');
  await clock.pass(14_999);
  await pages.write({ id: '1' }, { set: { n: 2 } });
  await until('"n":2');
  // What is said is a sign of life, too.
  await clock.pass(14_999);
  await pages.write({ id: '1' }, { set: { n: 3 } });
  await until('"n":3');
  expect(text).not.toContain('heartbeat');
  for (let beats = 1; beats <= 2; beats += 1) {
    await clock.pass(15_000);
    await until(': heartbeat\n\n'.repeat(beats));
  }
});

test('R250 for whoever reads nothing a MiB is kept, and no more: the stream ends, and is resumed with what was missed', async () => {
  const { pages, open } = await site();
  await pages.write({ id: '1' }, { set: { n: 0 } });
  const text = 'x'.repeat(60_000);
  const streamed = async (commits: number) => {
    const response = await open();
    const events = eventsOf(response);
    await events();
    const { id: ready = '' } = await events();
    for (let n = 1; n <= commits; n += 1) await pages.write({ id: '1' }, { set: { n, text } });
    const seen: unknown[] = [];
    let [last, isOver] = [ready, false];
    while (seen.length < commits && !isOver) {
      try {
        const { data, id } = await events();
        seen.push(data);
        last = id ?? last;
      } catch {
        isOver = true;
      }
    }
    return { seen, last, isOver };
  };
  const patient = await streamed(16);
  expect([patient.seen.length, patient.isOver]).toEqual([16, false]);
  const behind = await streamed(40);
  expect(behind.isOver).toBe(true);
  expect(behind.seen.length).toBeGreaterThan(15);
  expect(behind.seen.length).toBeLessThan(22);
  const again = eventsOf(await open({ 'last-event-id': behind.last }));
  expect(await again()).toMatchObject({
    event: 'answer',
    data: { type: 'snapshot', envelope: { value: { n: 40 } } },
  });
  expect(await again()).toMatchObject({ event: 'ready' });
  await pages.write({ id: '1' }, { set: { n: 41 } });
  expect(await again()).toMatchObject({ event: 'sync', data: { envelope: { value: { n: 41 } } } });
});
