import { complaints } from './page.tsx';
import { createClient, type Client } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { dehydrate } from '@holdfast/client/ssr';
import { collection, record, type StandardSchema } from '@holdfast/protocol';
import {
  HoldfastProvider,
  useAll,
  useCollection,
  useConnectionStatus,
  useEntries,
  useEntry,
  useEntryState,
  useRecord,
  useRecordState,
  useSnapshot,
  useSyncStatus,
  useView,
} from '@holdfast/react';
import { views } from '@holdfast/client/views';
import { app, createServer, type Principal, type Server, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { Writable } from 'node:stream';
import { type ReactElement, StrictMode, Suspense } from 'react';
import { hydrateRoot } from 'react-dom/client';
import { renderToPipeableStream } from 'react-dom/server';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { turn, until } from './clock.ts';
import { Wire } from './world.ts';

type Shape = { readonly name: string };

const schema: StandardSchema<Shape, Shape> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Shape }) },
};

const User = record({ name: 'user', store: 'acme/app', path: 'users/:id', version: '1.0', schema });
const all = collection(User, { orderBy: 'name' });

const ada: Principal = {
  subject: 'ada',
  orgs: ['acme'],
  scopes: new Set(['entries:read', 'entries:write']),
  storeAccess: { mode: 'all' },
  expiresAt: null,
  tokenId: null,
};

/** A view with a stream, and how often it was mounted. */
let mounts = 0;
const board = view({
  name: 'Board',
  mount: () => {
    mounts += 1;
    return { rows: ['Row a', 'Row b'] };
  },
  render: ({ rows }) => ({ title: 'The board', rows: rows.length }),
});

let server: Server;
let clients: Client[];
let faults: unknown[];

beforeEach(async () => {
  server = createServer({
    storage: memory(),
    rates: false,
    app: app({ views: [board] }),
  });
  server.record(User);
  await server.stores.create('acme/app');
  clients = [];
  faults = [];
});

afterEach(async () => {
  await Promise.all(clients.map((each) => each.close()));
  await server.close({ retryAfterMs: 0 });
  // Nowhere else do a server and a browser draw in one process.
  const told = complaints.splice(0).filter((each) => !each.includes('multiple renderers'));
  expect([...told, ...faults]).toEqual([]);
});

const onError = (error: unknown): void => void faults.push(error);

function seat(): { readonly client: Client; readonly wire: Wire } {
  const at = server.inProcess(ada);
  const wire = new Wire(at.link);
  const link = Object.assign(wire, { seal: at.link.seal });
  const client = createClient({ ...at, link, records: records([User]), views: views(), onError });
  clients.push(client);
  return { client, wire };
}

/** Streams a page and what it was rendered from. */
async function streamed(
  page: (client: Client) => ReactElement,
): Promise<{ html: string; state: string }> {
  const { client } = seat();
  // Views are mounted before the page is drawn; all else as it is drawn.
  await client.view('Board').ready;
  return new Promise((resolve, reject) => {
    let html = '';
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        html += chunk.toString();
        done();
      },
      final: (done) => {
        resolve({ html, state: dehydrate(client) });
        done();
      },
    });
    const { pipe } = renderToPipeableStream(page(client), {
      onShellReady: () => void pipe(sink),
      onError: reject,
    });
  });
}

function One(): ReactElement {
  const { value, connected, status } = useRecord(User, { id: '1' });
  return <p>{`${value?.name} ${status} ${connected}`}</p>;
}

function All(): ReactElement {
  return (
    <p>
      {useCollection(all)
        .values.map(({ name }) => name)
        .join()}
    </p>
  );
}

function Both(): ReactElement {
  const { user, users } = useAll({ user: User.ref({ id: '1' }), users: all });
  return <p>{`${user.value?.name} of ${users.values.length}`}</p>;
}

function Entries(): ReactElement {
  const rows = useEntries<string>('rows/*').map(({ value }) => value);
  return <p>{`${String(useEntry('title'))} ${rows.join()}`}</p>;
}

function Board(): ReactElement {
  const shown = useSnapshot(useView('Board')) as { title: string; rows: number };
  return <p>{`${shown.title} ${shown.rows}`}</p>;
}

/** What differs between a server and a browser that has yet to connect. */
function Status(): ReactElement {
  const { connection } = useConnectionStatus();
  return <i>{`${connection} ${useSyncStatus().isSynced}`}</i>;
}

/** What does not suspend, below what has: it is there by then. */
function States(): ReactElement {
  useAll({ user: User.ref({ id: '1' }) });
  useEntry('title');
  const user = useRecordState(User, { id: '1' });
  const entry = useEntryState('title');
  const behind = [user, entry].map((state) => state.status === 'ready' && state.refreshing);
  return <i>{`${user.status} ${entry.status} ${behind.join()}`}</i>;
}

const page = (client: Client, state?: string): ReactElement => (
  <StrictMode>
    <HoldfastProvider client={client} store="acme/app" {...(state !== undefined && { state })}>
      <Status />
      {[One, All, Both, Entries, States, Board].map((Part) => (
        <Suspense key={Part.name} fallback={<b>waiting</b>}>
          <Part />
        </Suspense>
      ))}
    </HoldfastProvider>
  </StrictMode>
);

test('G101 a page that is hydrated shows no fallback and no mismatch, and fetches nothing; what is newer comes after', async () => {
  const { client: author } = seat();
  for (const [id, name] of [
    ['1', 'Unchanged Ada'],
    ['2', 'Unchanged Bob'],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- in this order
    await author.record(User, { id }).set({ name }).committed;
  }
  await author.store('acme/app').put('rows', { a: 'Unchanged row' }).committed;
  await author.store('acme/app').put('title', 'Unchanged title').committed;
  const { html, state } = await streamed(page);
  const box = document.createElement('div');
  document.body.append(box);
  // What is streamed later is put in its place, as the scripts of the page would.
  box.innerHTML = html;
  settle(box);
  const first = box.textContent;
  expect(first).toContain('Unchanged Ada ok false');
  expect(first).toContain('Unchanged Ada of 2');
  expect(first).toContain('The board 2');
  expect(first).toContain('connecting false');
  // Newer than the page, and here before it is hydrated.
  const { client, wire } = seat();
  const shown = new Set<string>();
  const root = hydrateRoot(box, page(client, state), {
    onRecoverableError: (error) => faults.push(error),
  });
  await until(() => {
    shown.add(box.textContent ?? '');
    return wire.count('phx_join', 'store:') === 1 && wire.isQuiet;
  });
  for (let i = 0; i < 20; i++) {
    await turn();
    shown.add(box.textContent ?? '');
  }
  expect([...shown].filter((each) => each.includes('waiting'))).toEqual([]);
  expect(wire.count('phx_join', 'store:')).toBe(1);
  expect([wire.count('phx_join', 'musubi:'), mounts]).toEqual([1, 2]);
  expect(wire.received.split('catch_up_complete')[0]).not.toContain('Unchanged');
  expect(wire.received).not.toContain('snapshot');
  await author.record(User, { id: '1' }).set({ name: 'Grace' }).committed;
  await until(() => (box.textContent ?? '').includes('Grace of 2'));
  root.unmount();
});

/** Does what React's inline scripts do: puts what came late in the place of its fallback. */
function settle(box: HTMLElement): void {
  for (const late of box.querySelectorAll('div[hidden]')) {
    const at = box.querySelector(`template[id="B:${late.id.slice(2)}"]`);
    const parent = at?.parentNode;
    if (!at || !parent) continue;
    for (let next = at.nextSibling; next && next.nodeValue !== '/$'; next = at.nextSibling) {
      next.remove();
    }
    const mark = at.previousSibling;
    if (mark) mark.nodeValue = '$';
    for (const child of Array.from(late.childNodes)) parent.insertBefore(child, at);
    at.remove();
    late.remove();
  }
  for (const script of box.querySelectorAll('script')) script.remove();
}
