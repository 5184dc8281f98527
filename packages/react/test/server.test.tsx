import { calm, complaints } from './page.tsx';
import { HoldfastProvider, useEntries, useEntry, useEntryState, useStore } from '@holdfast/react';
import { Writable } from 'node:stream';
import { type ReactElement, Suspense } from 'react';
import { hydrateRoot } from 'react-dom/client';
import { renderToPipeableStream, renderToString } from 'react-dom/server';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from './clock.ts';
import { openWorld, type Seat, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
  // Nowhere else do a server and a browser draw in one process.
  const told = complaints.splice(0).filter((each) => !each.includes('multiple renderers'));
  expect(told).toEqual([]);
});

const app = (children: ReactElement, { client }: Seat): ReactElement => (
  <HoldfastProvider client={client} store="acme/app">
    <Suspense fallback={<i>waiting</i>}>{children}</Suspense>
  </HoldfastProvider>
);

function Page(): ReactElement {
  const store = useStore();
  const rows = useEntries<number>('rows/*').map(({ value }) => value);
  return <p>{`${store.name} ${String(useEntry('title'))} ${rows.join()}`}</p>;
}

function State(): ReactElement {
  return <i>{useEntryState('title').status}</i>;
}

/** Streams a page, and gives it when it is whole. */
function streamed(element: ReactElement, when: 'onShellReady' | 'onAllReady'): Promise<string> {
  return new Promise((resolve, reject) => {
    let html = '';
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        html += chunk.toString();
        done();
      },
      final: (done) => {
        resolve(html);
        done();
      },
    });
    const { pipe } = renderToPipeableStream(element, {
      [when]: () => pipe(sink),
      onError: reject,
    });
  });
}

test('a server that cannot wait writes what there is: the state of what loads, the fallback of what suspends', async () => {
  const seat = world.seat();
  expect(
    renderToString(
      <HoldfastProvider client={seat.client} store="acme/app">
        <State />
      </HoldfastProvider>,
    ),
  ).toBe('<i>loading</i>');
  await seat.client.store('acme/app').ready;
  await calm();
  expect(renderToString(app(<Page />, seat))).toContain('<p>acme/app undefined </p>');
});

test('G73 a server that streams waits for what suspends, with one join, and leaves no timer behind when its client ends', async () => {
  const other = await world.other();
  await other.put('title', 'Hello').committed;
  await other.put('rows', { a: 1, b: 2 }).committed;
  const seat = world.seat();
  const html = await streamed(app(<Page />, seat), 'onShellReady');
  expect(html).toContain('<p>acme/app Hello 1,2</p>');
  expect(seat.wire.count('phx_join', 'store:')).toBe(1);
  await seat.client.close();
  expect(seat.isIdle()).toBe(true);
});

test('a page that a server has drawn stays while the browser loads, and is then followed', async () => {
  const other = await world.other();
  await other.put('title', 'Hello').committed;
  const html = await streamed(app(<Page />, world.seat()), 'onAllReady');
  const box = document.createElement('div');
  document.body.append(box);
  box.innerHTML = html;
  const seat = world.seat();
  const shown: string[] = [];
  const root = hydrateRoot(box, app(<Page />, seat));
  const look = (): void => void shown.push(box.textContent ?? '');
  await until(() => {
    look();
    return seat.wire.count('phx_join', 'store:') === 1 && seat.wire.isQuiet;
  });
  for (let i = 0; i < 5; i++) {
    await calm();
    look();
  }
  await other.put('title', 'Changed').committed;
  await until(() => box.textContent === 'acme/app Changed ');
  expect(new Set(shown)).toEqual(new Set(['acme/app Hello ']));
  root.unmount();
});
