import { createClient } from '@holdfast/client';
import { HoldfastProvider, useEntry } from '@holdfast/react';
import { createElement, type ReactElement, type ReactNode, Suspense } from 'react';
import { createRoot } from 'react-dom/client';
import { create } from 'zustand';
import { topic } from '../load/join-reply.ts';
import { Wire } from '../servers/record-wire.ts';

/* Runs in a browser: components that each show one of many values, and rerender when that one changes. */
const components = 1000;
const updatesPerSecond = 200;

let renders = 0;
let feed: (text: string) => void;

/** Mounts them, on the hooks of ours or on zustand; resolves when each shows something. */
export async function mount(kind: 'ours' | 'zustand'): Promise<number> {
  const root = document.createElement('div');
  document.body.append(root);
  const tree = kind === 'ours' ? ours() : zustand();
  createRoot(root).render(tree);
  while (root.childElementCount < components) await passed(20);
  return renders;
}

/**
 * Takes what comes in so many seconds; resolves with the renders that it took. Frames come to a callback of the browser, as
 * they do from a socket: what an `await` goes on with is not counted among its scripts.
 */
export function run(from: number, seconds: number): Promise<number> {
  const before = renders;
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const take = (at: number): void => {
      if (at === seconds * updatesPerSecond) {
        // The last of them is drawn.
        setTimeout(() => resolve(renders - before), 50);
        return;
      }
      const seq = components + from + at + 1;
      const op = [seq, 'set', `items/${(seq * 7) % components}`, seq, 'feeder', `feeder:s:${seq}`];
      const payload = { from_seq: seq - 1, to_seq: seq, ops: [op] };
      feed(JSON.stringify([null, null, topic, 'events', payload]));
      const early = startedAt + ((at + 1) / updatesPerSecond) * 1000 - performance.now();
      // Each is drawn before the next comes.
      setTimeout(() => take(at + 1), Math.max(early, 0));
    };
    take(0);
  });
}

function ours(): ReactElement {
  const rows = Array.from(
    { length: components },
    (_, id) => [`items/${id}`, id, 'integer', id + 1] as const,
  );
  const wire = new Wire(rows);
  const client = createClient({ url: 'ws://bench.invalid', token: 'bench', link: wire });
  feed = (text) => wire.receive(text);
  const store = client.store('bench/main');
  const Item = ({ id }: { readonly id: number }): ReactNode => {
    renders += 1;
    return createElement('p', null, useEntry<number>(`items/${id}`, { store }));
  };
  const items = Array.from({ length: components }, (_, id) => createElement(Item, { id, key: id }));
  const provided = createElement(Suspense, null, items);
  return createElement(HoldfastProvider, { client, children: provided });
}

function zustand(): ReactElement {
  const start = Array.from({ length: components }, (_, id) => [`items/${id}`, id]);
  const useItems = create<{ readonly items: { readonly [path: string]: number } }>(() => ({
    items: Object.fromEntries(start) as { readonly [path: string]: number },
  }));
  feed = (text) => {
    const [, , , , { ops }] = JSON.parse(text) as [0, 0, 0, 0, { ops: [0, 0, string, number][] }];
    for (const [, , path, value] of ops) {
      useItems.setState(({ items }) => ({ items: { ...items, [path]: value } }));
    }
  };
  const Item = ({ id }: { readonly id: number }): ReactNode => {
    renders += 1;
    return createElement(
      'p',
      null,
      useItems(({ items }) => items[`items/${id}`]),
    );
  };
  const items = Array.from({ length: components }, (_, id) => createElement(Item, { id, key: id }));
  return createElement(Suspense, null, items);
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
