import { App, calm, complaints, open } from './page.tsx';
import { records } from '@holdfast/client/records';
import { bySse } from '@holdfast/client/records/sse';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { passthrough, record, source } from '@holdfast/protocol';
import type { HandshakeAnswer, HandshakeRequest } from '@holdfast/protocol/record';
import { useRecord, useRecordState } from '@holdfast/react';
import type { ReactElement } from 'react';
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from 'vitest';
import { openWorld, type World } from './world.ts';

const User = record({
  name: 'user',
  store: 'acme/app',
  path: 'users/:id',
  version: '1.0',
  schema: passthrough<{ readonly name: string }>(),
});

let world: World;

beforeEach(async () => {
  world = await openWorld();
  world.server.record(User);
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
  expect(complaints.splice(0)).toEqual([]);
});

type View = ReturnType<typeof useRecord<typeof User>>;

function Person({ views }: { readonly views: View[] }): ReactElement {
  const view = useRecord(User, { id: '1' });
  views.push(view);
  return <i>{`${String(view.value?.name)} `}</i>;
}

function State(): ReactElement {
  const state = useRecordState(User, { id: '1' });
  const text =
    state.status === 'ready'
      ? `${String(state.value.value?.name)} ${state.value.status}${state.refreshing ? ' refreshing' : ''}`
      : state.status;
  return <i>{text}</i>;
}

describe.each([
  { line: 'a socket', isStrict: false },
  { line: 'a socket', isStrict: true },
  { line: 'server-sent events', isStrict: false },
  { line: 'server-sent events', isStrict: true },
])('records by $line, strict: $isStrict', ({ line, isStrict }) => {
  it('G98 given a record that is not there, then it is up to date, and drawn as whoever writes it', async () => {
    const asked: string[] = [];
    const fetched = (url: string, init?: RequestInit): Promise<Response> => {
      asked.push(url.replace(world.url, ''));
      return fetch(url, init);
    };
    const delivery = line === 'a socket' ? {} : { delivery: bySse() };
    const { client } = world.seat({
      records: records([User], delivery),
      env: { fetch: fetched },
    });
    const views: View[] = [];
    const page = open(
      <App client={client}>
        <Person views={views} />
        <Person views={views} />
        <State />
      </App>,
      isStrict,
    );
    await page.shows('undefined undefined undefined gone');
    await views.at(-1)?.set({ name: 'ada' }).committed;
    await page.shows('ada ada ada ok');
    const other = await world.other();
    await other.put('users/1/name', 'bob').committed;
    await page.shows('bob bob bob ok');
    await calm();
    const streams = asked.filter((path) => path === '/api/records/stream').length;
    expect(streams).toBe(line === 'a socket' ? 0 : 1);
    page.unmount();
  });
});

it('given a record that is denied after it was shown, then nothing of it is shown, and nothing is awaited', async () => {
  let isDenied = false;
  const answer = ({ key }: HandshakeRequest): HandshakeAnswer =>
    isDenied
      ? { key, type: 'denied', reason: 'denied' }
      : {
          key,
          type: 'snapshot',
          envelope: { value: { name: 'ada' }, schema_version: '1.0', sequence: 1 },
        };
  const handshake = (requests: readonly HandshakeRequest[]): Promise<HandshakeAnswer[]> =>
    Promise.resolve(requests.map(answer));
  const transport = Object.assign(new InProcessTransport(), { handshake });
  const { client } = world.seat({
    records: records([User], { delivery: byTransport({ transport }) }),
  });
  const page = open(<App client={client} children={<State />} />);
  await page.shows('ada ok');
  isDenied = true;
  client.record(User, { id: '1' }).retry();
  await page.shows('undefined denied');
  page.unmount();
});

const Length = source({
  name: 'length',
  params: passthrough<{ readonly of: string }>(),
  schema: passthrough<number>(),
  version: '1.0',
});

function Measured({ of }: { readonly of: string | null }): ReactElement {
  const { value, status } = useRecord(Length, of === null ? null : { of });
  const later = useRecordState(Length, { of: 'users' });
  expectTypeOf(value).toEqualTypeOf<number | undefined>();
  // @ts-expect-error -- what a server computes is read only
  if (later.status === 'ready') expectTypeOf(later.value.set).toBeAny();
  const then = later.status === 'ready' ? later.value.value : later.status;
  return (
    <i>
      {value} {status} {then}
    </i>
  );
}

it('a source is drawn as records are, and anew when the server has computed another value', async () => {
  const lengths = new Map([['users', 2]]);
  world.server.source(Length, {
    policy: { on: [User.key({ id: '1' })] },
    run: ({ of }) => lengths.get(of) ?? 0,
  });
  const { client } = world.seat({ records: records([User], { sources: bySse() }) });
  const page = open(<App client={client} children={<Measured of="users" />} />);
  await page.shows('2 ok 2');
  lengths.set('users', 3);
  const other = await world.other();
  await other.put('users/1/name', 'ada').committed;
  await page.shows('3 ok 3');
  page.unmount();
  const empty = open(<App client={client} children={<Measured of={null} />} />);
  await empty.shows(' idle 3');
  empty.unmount();
});

function Nobody(): ReactElement {
  const { value, status } = useRecord(User, null);
  return (
    <i>
      {value === undefined ? 'nothing' : 'something'} {status}
    </i>
  );
}

it('given no params, then nothing is shown, also where the client has no records', async () => {
  const { client } = world.seat();
  const page = open(<App client={client} children={<Nobody />} />);
  await page.shows('nothing idle');
  page.unmount();
});
