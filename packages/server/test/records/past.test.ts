import { passthrough, record } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { principals } from '../conversation/principals.ts';
import { world } from '../conversation/world.ts';
import { http, person } from './site.ts';

type Note = { readonly text?: string; readonly private?: boolean; readonly owner?: string };

const noted = {
  name: 'note',
  store: 'demo/main',
  path: 'notes/:id',
  version: '1.0',
  schema: passthrough<Note>(),
} as const;
const Note = record({
  ...noted,
  visibility: {
    '*': ({ principal, value }) => value.private !== true || value.owner === principal.subject,
  },
});

/** What a token is told of a note at a seq, by itself and in a listing. */
async function site(def = Note) {
  const made = await world({
    authenticate: principals({ ada: person('ada'), eve: person('eve') }),
  });
  const notes = made.server.record(def);
  const toldAt = async (seq: number, token: string): Promise<readonly string[]> => {
    const one = await http(made, 'GET', `entries/notes/a?at_seq=${seq}`, { token });
    const list = await http(made, 'GET', `entries?pattern=notes/**&at_seq=${seq}`, { token });
    return [one, list].map(({ json }) =>
      JSON.stringify(json).includes('secret') ? 'told' : 'hidden',
    );
  };
  return { notes, toldAt };
}

const own = { text: 'secret', private: true, owner: 'ada' };

test('R228 what was private when it was deleted stays so in the past, but for whom it was for', async () => {
  const { notes, toldAt } = await site();
  await notes.write({ id: 'a' }, { set: own });
  await notes.write({ id: 'a' }, { remove: true });
  expect(await toldAt(2, 'eve')).toEqual(['hidden', 'hidden']);
  expect(await toldAt(2, 'ada')).toEqual(['told', 'told']);
});

test('R228 what is gone is told of as it was to whom it was for, though it says no more whose it is', async () => {
  const { notes, toldAt } = await site(
    record({
      ...noted,
      visibility: { '*': ({ principal, value }) => value.owner === principal.subject },
    }),
  );
  await notes.write({ id: 'a' }, { set: own });
  await notes.write({ id: 'a' }, { remove: true });
  expect(await toldAt(2, 'eve')).toEqual(['hidden', 'hidden']);
  expect(await toldAt(2, 'ada')).toEqual(['told', 'told']);
});

test('R228 what became public is not shown as it was before', async () => {
  const { notes, toldAt } = await site();
  await notes.write({ id: 'a' }, { set: own });
  await notes.write({ id: 'a' }, { patch: { text: 'for all', private: false } });
  expect(await toldAt(2, 'eve')).toEqual(['hidden', 'hidden']);
  expect(await toldAt(2, 'ada')).toEqual(['told', 'told']);
});

test('R228 what became private is not shown as it was before, either', async () => {
  const { notes, toldAt } = await site();
  await notes.write({ id: 'a' }, { set: { ...own, private: false } });
  expect(await toldAt(2, 'eve')).toEqual(['told', 'told']);
  await notes.write({ id: 'a' }, { patch: { private: true } });
  expect(await toldAt(2, 'eve')).toEqual(['hidden', 'hidden']);
});
