import { App, calm, complaints, open, type Page } from './page.tsx';
import type { Store } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { passthrough, record } from '@holdfast/protocol';
import { useEntries, useEntry, useEntryState, useRecord } from '@holdfast/react';
import * as React from 'react';
import type { ReactElement } from 'react';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { turn, until } from './clock.ts';
import { openWorld, type Seat, type World } from './world.ts';

const User = record({
  name: 'user',
  store: 'acme/app',
  path: 'users/:id',
  version: '*',
  schema: passthrough<{ readonly name: string }>(),
});

let world: World;
let seat: Seat;

beforeEach(async () => {
  world = await openWorld();
  seat = world.seat({ records: records([User]) });
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
  expect(complaints.splice(0)).toEqual([]);
});

const app = (children: ReactElement): ReactElement => (
  <App client={seat.client} store="acme/app">
    {children}
  </App>
);

/** Puts another store in the place of `acme/app`. */
async function remake(): Promise<void> {
  const { rawToken } = await world.server.tokens.issue({
    name: 'admin',
    org: 'acme',
    scopes: ['stores:delete'],
    storeAccess: { mode: 'all' },
    expiresAt: null,
    createdBy: null,
  });
  const url = `${world.url.replace(/^ws/, 'http')}/api/stores/acme/app?purge=true`;
  const headers = { authorization: `Bearer ${rawToken}` };
  // Who hears of it in between is refused, for there is no such store then.
  seat.wire.hold();
  expect((await fetch(url, { method: 'DELETE', headers })).status).toBe(200);
  await world.server.stores.create('acme/app');
  seat.wire.letIn();
}

function All(): ReactElement {
  const rows = useEntries<number>('rows/*').map(({ value }) => value);
  const { value: user } = useRecord(User, { id: '1' });
  return <i>{`${String(useEntry('a'))} ${rows.join()} ${String(user?.name)}`}</i>;
}

function Of({ store }: { readonly store: Store }): ReactElement {
  const rows = useEntries<number>('rows/*', { store }).map(({ value }) => value);
  return <i>{`${String(useEntry('a', { store }))} ${rows.join()}`}</i>;
}

/** What a hook that does not suspend has said, in turn. */
function Told({ path, told }: { readonly path: string; readonly told: string[] }): ReactElement {
  const said = useEntryState<string>(path);
  const shown = said.status === 'ready' ? said.value : said.status === 'loading' && said.previous;
  const text = `${said.status} ${String(shown)}`;
  if (told.at(-1) !== text) told.push(text);
  return <i>{text}</i>;
}

/** A hook of React 19. */
const useActionState = Reflect.get(React, 'useActionState') as
  | ((
      act: (was: string, next: string) => string | Promise<string>,
      first: string,
    ) => [string, (next: string) => void, boolean])
  | undefined;

let go = (_path: string): void => undefined;

function Chooser({ seen }: { readonly seen: string[] }): ReactElement {
  const [path, act, isPending] = useActionState?.((_was, next) => next, 'a') ?? ['a', () => {}];
  go = (next) => React.startTransition(() => act(next));
  seen.push(path);
  return <i>{`${path}=${String(useEntry(path))}${isPending === true ? ' …' : ''}`}</i>;
}

describe.each([{ isStrict: false }, { isStrict: true }])('replaced, strict: $isStrict', (mode) => {
  const draw = (element: ReactElement): Page => open(element, mode.isStrict);

  it('G96 of a store that is made anew under its name all hooks show the new one, and nothing of the one before', async () => {
    const other = await world.other();
    await other.put('a', 1).committed;
    await other.put('rows', { x: 1, y: 2 }).committed;
    await other.put('users/1', { name: 'ada' }).committed;
    const page = draw(app(<All />));
    await page.shows('1 1,2 ada');
    await remake();
    await page.shows('undefined  undefined');
    const next = await world.other();
    await next.put('rows', { z: 3 }).committed;
    await next.put('users/1', { name: 'eve' }).committed;
    await page.shows('undefined 3 eve');
    await calm();
    expect(page.text()).toBe('undefined 3 eve');
    page.unmount();
  });

  it('G96 of the handle of another client, under the same name, what that has is shown, own writes and all', async () => {
    const next = world.seat();
    const [one, two] = [seat, next].map(({ client }) => client.store('acme/app'));
    if (one === undefined || two === undefined) throw new Error('two');
    await Promise.all([one.ready, two.ready]);
    await one.put('rows', { x: 1 }).committed;
    await until(() => two.get('rows/x') === 1);
    seat.wire.hold();
    next.wire.cut();
    two.put('a', 'theirs');
    const page = draw(app(<Of store={one} />));
    await page.shows('undefined 1');
    page.draw(app(<Of store={two} />));
    await page.shows('theirs 1');
    page.draw(app(<Of store={one} />));
    await until(() => page.text().endsWith(' 1'));
    seat.wire.letIn();
    await page.shows('theirs 1');
    page.unmount();
  });

  it('G86 of what another client has shown, as of whoever was signed in before, nothing is what was shown previously', async () => {
    const other = await world.other();
    await other.put('a', 'the secret of one').committed;
    const next = world.seat();
    const told: string[] = [];
    const of = (client: Seat['client'], path: string): ReactElement => (
      <App client={client} store="acme/app">
        <Told path={path} told={told} />
      </App>
    );
    const page = draw(of(seat.client, 'a'));
    await page.shows('ready the secret of one');
    // Another path of the same client is another matter.
    page.draw(of(seat.client, 'b'));
    await page.shows('ready undefined');
    page.draw(of(seat.client, 'a'));
    await page.shows('ready the secret of one');
    told.length = 0;
    page.draw(of(next.client, 'b'));
    await page.shows('ready undefined');
    expect(told).toEqual(['loading undefined', 'ready undefined']);
    page.unmount();
  });

  if (useActionState !== undefined) {
    it('G79 what an action chooses is shown when it is there, and the old screen until then', async () => {
      const seen: string[] = [];
      const page = draw(app(<Chooser seen={seen} />));
      await page.shows('a=undefined');
      seat.wire.hold();
      go('b');
      for (let i = 0; i < 50; i++) {
        await turn();
        expect(page.text()).toMatch(/^a=undefined( …)?$/);
      }
      seat.wire.letIn();
      await page.shows('b=undefined');
      expect(new Set(seen)).toEqual(new Set(['a', 'b']));
      page.unmount();
    });
  }
});
