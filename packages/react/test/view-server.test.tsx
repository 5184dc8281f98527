import { calm, complaints } from './page.tsx';
import { HoldfastProvider, useSnapshot, useView, useViewState } from '@holdfast/react';
import { type ReactElement, type ReactNode, Suspense } from 'react';
import { hydrateRoot } from 'react-dom/client';
import { renderToPipeableStream, renderToString } from 'react-dom/server';
import { afterEach, expect, test } from 'vitest';
import { until } from './clock.ts';
import { module, node, Scripted } from '../../client/test/views/scripted.ts';

const worlds: Scripted[] = [];

function world(): Scripted {
  const made = new Scripted();
  worlds.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(worlds.splice(0).map((each) => each[Symbol.asyncDispose]()));
  // Nowhere else do a server and a browser draw in one process.
  const told = complaints.splice(0).filter((each) => !each.includes('multiple renderers'));
  expect(told).toEqual([]);
});

const page = (children: ReactNode, { client }: Scripted): ReactElement => (
  <HoldfastProvider client={client}>
    <Suspense fallback={<b>waiting</b>}>{children}</Suspense>
  </HoldfastProvider>
);

const initialData = { tree: node([], { n: 1 }) as never };

function Shown(): ReactElement {
  const view = useView(module, { id: 'main', initialData });
  return <i>{`n=${String(useSnapshot(view, (shown) => (shown as { n: number }).n))}`}</i>;
}

const Bare = (): ReactElement => <i>{Object.keys(useView(module, { id: 'bare' })).length}</i>;
const State = (): ReactElement => <i>{useViewState(module, { id: 'state' }).status}</i>;

test('V88 a server renders a view from its initialData, the state of what loads, and the fallback of what suspends; nobody is asked', async () => {
  const server = world();
  expect(renderToString(page(<Shown />, server))).toContain('<i>n=1</i>');
  expect(renderToString(page(<State />, server))).toContain('<i>loading</i>');
  expect(renderToString(page(<Bare />, server))).toContain('<b>waiting</b>');
  await calm();
  expect(server.sent).toEqual([]);
});

test('V88 a page with a view that the server cannot show is complete at once, with the fallback', async () => {
  const told: string[] = [];
  await new Promise<void>((resolve) => {
    renderToPipeableStream(page(<Bare />, world()), {
      onAllReady: resolve,
      onError: (error) => void told.push(String(error)),
    });
  });
  expect(told).toEqual([`Error: ${module}: no initialData`]);
});

test('V88 a page that is hydrated with the initialData shows it at once, without a mismatch, and joins once', async () => {
  const html = renderToString(page(<Shown />, world()));
  const box = document.createElement('div');
  document.body.append(box);
  box.innerHTML = html;
  const browser = world();
  const mismatches: unknown[] = [];
  const root = hydrateRoot(box, page(<Shown />, browser), {
    onRecoverableError: (error) => mismatches.push(error),
  });
  const shown = new Set<string | null>();
  await until(() => {
    shown.add(box.textContent);
    return browser.sent.length > 0;
  });
  const join = await browser.accept();
  expect([join.event, join.payload['id']]).toEqual(['phx_join', 'main']);
  await browser.show(node([], { n: 1 }));
  await calm();
  shown.add(box.textContent);
  await browser.patch(1, 2, { ops: [{ op: 'replace', path: '/n', value: 2 }] });
  await until(() => box.textContent === 'n=2');
  expect([[...shown], mismatches, browser.sent]).toEqual([['n=1'], [], []]);
  root.unmount();
  box.remove();
});
