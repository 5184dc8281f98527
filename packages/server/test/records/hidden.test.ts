import { record } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { everything, world, type World } from '../conversation/world.ts';
import { http, person, transact, write } from './site.ts';

const ada = { name: 'Ada', email: 'a@x', 'a/b': 'odd' };

const Member = record({
  name: 'member',
  store: 'demo/main',
  path: 'people/:id',
  version: '1.0',
  schema: z.object({
    name: z.string().optional(),
    email: z.string().optional(),
    'a/b': z.string().optional(),
  }),
  visibility: {
    name: () => true,
    '*': ({ principal, params }) => principal.subject === params.id,
  },
  mutations: {
    rename: { apply: (current, name) => ({ ...current, name: String(name) }) },
    forget: {
      apply: (current) => {
        const { email: _, ...rest } = current ?? {};
        return rest;
      },
    },
  },
});

async function site(): Promise<World> {
  const made = await world({
    authenticate: async ({ token }) => (token === 'dev' ? everything : person(token)),
  });
  const members = made.server.record(Member);
  await members.write({ id: 'ada' }, { set: ada });
  await members.write({ id: 'eve' }, { set: { name: 'Eve' } });
  return made;
}

function mutate(name: string, value: unknown, id = 'ada'): object {
  return { op: 'mutate', path: `people/${id}`, record: 'member', name, value };
}

async function stored(made: World): Promise<unknown> {
  return (await http(made, 'GET', 'entries/people/ada')).json['value'];
}

test('R227 the merge of a client neither removes nor overwrites what is hidden from it', async () => {
  const made = await site();
  const eve = await made.joined({ token: 'eve' });
  const tries = [
    mutate('holdfast:merge', { unset: ['email'] }),
    mutate('holdfast:merge', { set: { email: 'e@x' } }),
  ];
  for (const each of tries) {
    const { response } = await write(eve, each);
    expect(response).toEqual({ reason: 'forbidden_field', fields: ['email'] });
  }
  expect(await stored(made)).toEqual(ada);
  const seen = mutate('holdfast:merge', { set: { name: 'Countess' } });
  expect(await write(eve, seen)).toMatchObject({ status: 'ok' });
  expect(await stored(made)).toEqual({ ...ada, name: 'Countess' });
});

test('R227 beside a mutation, other writes still do not touch what is hidden', async () => {
  const made = await site();
  const eve = await made.joined({ token: 'eve' });
  const foreign = mutate('rename', 'E', 'eve');
  const own = mutate('rename', 'Countess');
  const overwrites = [
    { op: 'delete', path: 'people/ada/email' },
    { op: 'delete', path: 'people/ada/a~1b' },
    { op: 'set', path: 'people/ada', value: { name: 'x' } },
    { op: 'delete', path: 'people/ada' },
    { op: 'set', path: 'people', value: {} },
    mutate('holdfast:merge', { unset: ['email'] }),
  ];
  for (const beside of [foreign, own]) {
    for (const each of overwrites) {
      for (const ops of [
        [beside, each],
        [each, beside],
      ]) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        const { status } = await transact(eve, ops);
        expect([ops, status]).toEqual([ops, 'error']);
      }
    }
  }
  expect(await stored(made)).toEqual(ada);
});

test('R227 a declared mutation of the object changes what is hidden, and others are written beside it', async () => {
  const made = await site();
  const eve = await made.joined({ token: 'eve' });
  const ops = [
    mutate('forget', null),
    { op: 'set', path: 'people/ada/name', value: 'Countess' },
    { op: 'set', path: 'elsewhere', value: 1 },
    { op: 'delete', path: 'people/eve/name' },
  ];
  expect(await transact(eve, ops)).toMatchObject({ status: 'ok' });
  expect(await stored(made)).toEqual({ name: 'Countess', 'a/b': 'odd' });
});
