import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Client, Store } from '@holdfast/client';
import type { GivenPrincipal } from '@holdfast/server';
import { openWorld, type World } from './world.ts';

let world: World;
let client: Client;

/** Who may read all parts but those of `c`. */
const reader: GivenPrincipal = {
  subject: 'ann',
  orgs: ['acme'],
  scopes: ['entries:read'],
  pathRules: ['a/**', 'b/**', 'd/**'].map((pattern) => ({ pattern, allow: ['read'] })),
};

beforeEach(async () => {
  world = await openWorld(() => reader);
  client = world.client();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** Handles of so many parts; a server lets a client have 2,000 of a store. */
function handles(count: number, of: string): readonly Store[] {
  return Array.from({ length: count }, (_, at) =>
    client.store('acme/app', { scope: [`${of}/${at}/**`] }),
  );
}

const ready = (stores: readonly Store[]): Promise<unknown> =>
  Promise.all(stores.map((store) => store.ready));

it('who goes through thousands of parts, some at a time, has each: those let go of make room at once', async () => {
  for (const of of ['a', 'b', 'd']) {
    const shown = handles(1500, of);
    // oxlint-disable-next-line no-await-in-loop -- one screen after the other
    await ready(shown);
    for (const store of shown) store.close();
  }
});

it.each([
  ['', []],
  [', though something else was denied since for its path', ['c/0/**']],
])(
  'what was denied for want of room is to be had once there is some, without a new connection%s',
  async (_though, scope) => {
    const held = handles(1500, 'a');
    await ready(held);
    const [first] = handles(600, 'b');
    await expect(first?.ready).rejects.toMatchObject({ code: 'too_many_patterns' });
    const denied = client.store('acme/app', { scope });
    if (scope.length > 0) {
      await expect(denied.ready).rejects.toMatchObject({ code: 'path_not_allowed' });
    }
    for (const store of held) store.close();
    await expect
      .poll(() =>
        client.store('acme/app', { scope: ['b/0/**'] }).ready.then(
          () => 'ready',
          () => 'refused',
        ),
      )
      .toBe('ready');
  },
);
