import { Tree } from '@holdfast/engine/data';
import { Envelopes, RecordGate, Veil } from '@holdfast/engine/gate';
import { asPath, type Json, passthrough, record, type Write } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { collect } from '../../../../tools/garbage.ts';

const at = (path: string) => asPath(path);

type Person = { readonly name?: string; readonly mood?: string; readonly open?: boolean };

let asked = 0;
const Person = record({
  name: 'person',
  store: 'a/b',
  path: 'people/:id',
  version: '1.0',
  schema: passthrough<Person>(),
  visibility: {
    name: () => true,
    open: () => true,
    mood: ({ principal, params, value }) => {
      asked += 1;
      return value.open === true || principal.subject === params['id'];
    },
  },
});

/** What a viewer sees of values that stand at paths. */
function veilOf(subject: string, values: { readonly [path: string]: Json }): Veil {
  return new Veil({
    records: [{ def: Person, params: {}, read: null }],
    name: subject,
    principal: { subject },
    now: () => 0,
    valueAt: (path) => values[path],
    tell: () => undefined,
  });
}

/** A set of the log. */
function op(seq: number, path: string, value: Json, tx: number | null) {
  return {
    seq,
    op: 'set' as const,
    path: at(path),
    value,
    arg: null,
    deviceId: 'd',
    clientOpId: `id${seq}`,
    tx,
    at: 0,
    principal: null,
    removed: [],
  };
}

test('R220 what is hidden of an object is the same for viewers of whom the rules say the same, in the order of its fields', () => {
  const value = { mood: 'sad', name: 'Ada', extra: 1 };
  const [bob, eve] = [veilOf('bob', {}), veilOf('eve', {})];
  expect(bob.hiddenOf(at('people/ada'), value)).toEqual(['mood', 'extra']);
  expect(eve.hiddenOf(at('people/ada'), value)).toEqual(['mood', 'extra']);
  expect(veilOf('ada', {}).hiddenOf(at('people/ada'), value)).toEqual(['extra']);
});

test('R221 rules are asked once for each value of an object, however often it is looked at', () => {
  const values = { 'people/ada': { mood: 'sad', name: 'Ada' } };
  const veil = veilOf('eve', values);
  asked = 0;
  for (let i = 0; i < 10; i++) expect(veil.covers(at('people/ada/mood'))).toBe(false);
  expect(asked).toBe(1);
});

test('R221 a veil covers what is shown, above it nothing as a whole, and beside it everything', () => {
  const values = { 'people/ada': { mood: { now: 'sad' }, name: 'Ada', open: true } };
  const veil = veilOf('eve', values);
  expect(veil.covers(at('people/ada/mood/now'))).toBe(true);
  expect(veil.coversSubtree(at('people/ada/mood'))).toBe(true);
  expect(veil.coversSubtree(at('people/ada'))).toBe(false);
  expect(veil.coversSubtree(at('people'))).toBe(false);
  expect(veil.reaches(at('people'))).toBe(true);
  expect(veil.coversSubtree(at('posts'))).toBe(true);
});

test('R226 an object has turned where something that was there before is seen now and was not, or the other way', () => {
  const veil = veilOf('eve', {});
  const turned = (before: Json | undefined, after: Json | undefined): boolean =>
    veil.hasTurned(at('people/ada'), before, after);
  expect(turned({ mood: 'sad' }, { mood: 'sad', open: true })).toBe(true);
  expect(turned({ mood: 'sad', open: true }, { mood: 'sad' })).toBe(true);
  expect(turned({ mood: 'sad' }, { mood: 'merry' })).toBe(false);
  // What was not there before comes, or does not, with the commit itself.
  expect(turned(undefined, { mood: 'sad', open: true })).toBe(false);
  expect(turned({ name: 'Ada' }, { name: 'Ada', mood: 'sad', open: true })).toBe(false);
});

test('R226 of an object of two records only what both show is seen, and so it turns, is taken and asked for anew', () => {
  const value = { name: 'Ada', mood: 'sad', note: 'n' };
  const says = { mood: true, note: true };
  const def = (name: string, path: string, of: 'mood' | 'note') =>
    record({
      name,
      store: 'a/b',
      path,
      version: '1.0',
      schema: passthrough<typeof value>(),
      visibility: { '*': () => true, [of]: () => says[of] },
    });
  const records = [def('one', 'people/:id', 'mood'), def('other', ':kind/:id', 'note')];
  const veil = new Veil({
    records: records.map((each) => ({ def: each, params: {}, read: null })),
    name: 'eve',
    principal: { subject: 'eve' },
    now: () => 0,
    valueAt: () => value,
    tell: () => undefined,
  });
  const ada = at('people/ada');
  expect(veil.hiddenOf(ada, value)).toEqual([]);
  Object.assign(says, { mood: false, note: false });
  expect([veil.hasChanged(ada), veil.hasChanged(ada)]).toEqual([true, false]);
  expect(veil.hiddenOf(ada, value)).toEqual(['mood', 'note']);
  expect(veil.covers(at('people/ada/mood')) || veil.covers(at('people/ada/note'))).toBe(false);
  expect(veil.hasTaken(ada, value, { name: 'Ada' })).toBe(false);
  expect(veil.hasTaken(ada, value, { mood: 'sad', note: 'n' })).toBe(true);
  expect(veil.hasTurned(ada, value, { ...value })).toBe(false);
});

test('R101 a commit of several ops on an object is one change of it', () => {
  const envelopes = new Envelopes(Tree.empty(), [Person]);
  const changes = envelopes.follow([
    op(1, 'people/ada', { name: 'Ada' }, 3),
    op(2, 'people/bob/name', 'Bob', 3),
    op(3, 'people/ada/open', {}, 3),
    op(4, 'people/ada/open', true, null),
  ]);
  const told = changes.map(({ path, value, sequence, prev }) => ({ path, value, sequence, prev }));
  expect(told).toEqual([
    { path: 'people/ada', value: { name: 'Ada', open: {} }, sequence: 3, prev: 0 },
    { path: 'people/bob', value: { name: 'Bob' }, sequence: 2, prev: 0 },
    { path: 'people/ada', value: { name: 'Ada', open: true }, sequence: 4, prev: 3 },
  ]);
});

test('R200 of which fields a query may ask is known without the read rule, which is about one object', () => {
  const faults: unknown[] = [];
  const veil = new Veil({
    records: [{ def: Person, params: {}, read: (_ctx, ref) => Object(ref.params).id !== 'eve' }],
    name: 'eve',
    principal: { subject: 'eve' },
    now: () => 0,
    valueAt: () => undefined,
    tell: (_record, error) => faults.push(error),
  });
  const query = { params: {}, where: { mood: 'sad' }, limit: 10, after: null } as const;
  expect(veil.hiddenFields('person', { ...query, orderBy: [['name', 'asc']] })).toEqual(['mood']);
  expect(faults).toEqual([]);
});

test('R225 R226 rules are asked anew about what they were asked about: what changes is said once, what fails is told of no more', () => {
  const values: { [path: string]: Json } = {
    'people/ada': { name: 'Ada', mood: 'sad' },
    'people/bob': { name: 'Bob' },
  };
  const told: unknown[] = [];
  const rule = { says: true, isBroken: false };
  const veil = new Veil({
    records: [
      {
        def: Person,
        params: {},
        read: () => {
          if (rule.isBroken) throw new Error('broken');
          return rule.says;
        },
      },
    ],
    name: 'eve',
    principal: { subject: 'eve' },
    now: () => 0,
    valueAt: (path) => values[path],
    tell: (_record, error) => told.push(error),
  });
  const [ada, bob] = [at('people/ada'), at('people/bob')];
  expect([veil.covers(at('people/ada/name')), [...veil.asked()]]).toEqual([true, [ada]]);
  expect([veil.hasChanged(ada), veil.wasAsked(bob)]).toEqual([false, false]);
  rule.says = false;
  expect([veil.hasChanged(ada), veil.hasChanged(ada)]).toEqual([true, false]);
  expect(veil.covers(at('people/ada/name'))).toBe(false);
  rule.isBroken = true;
  expect([veil.hasChanged(ada), veil.hasChanged(ada), told]).toEqual([false, false, []]);
  expect([veil.covers(at('people/bob/name')), veil.hasChanged(bob)]).toEqual([false, false]);
  expect(told).toHaveLength(1);
  delete values['people/ada'];
  expect([...veil.asked()]).toEqual([bob]);
});

test('of the objects that somebody was shown by a read rule, their veil keeps no copies', async () => {
  const place = { store: 'a/b', path: 'people/:id', version: '1.0' };
  const def = record({ name: 'person', ...place, schema: passthrough<Person>() });
  const values = Object.fromEntries(
    Array.from({ length: 100 }, (_, id): [string, Json] => [`people/${id}`, { name: 'Ada' }]),
  );
  const copies: WeakRef<object>[] = [];
  const veil = new Veil({
    records: [
      {
        def,
        params: {},
        read: (_ctx, _ref, value) => {
          copies.push(new WeakRef(Object(value)));
          return true;
        },
      },
    ],
    name: 'eve',
    principal: { subject: 'eve' },
    now: () => 0,
    valueAt: (path) => values[path],
    tell: () => undefined,
  });
  const paths = Object.keys(values).map(at);
  expect(paths.every((path) => veil.coversSubtree(path))).toBe(true);
  // A reference that was made in this turn is held until it ends.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  expect(paths.every((path) => veil.coversSubtree(path))).toBe(true);
  expect([copies.length, copies.filter((copy) => copy.deref() !== undefined)]).toEqual([100, []]);
});

/** Counts how often it is looked at what is hidden of an object. */
class CountingVeil extends Veil {
  looks = 0;

  override hides(...of: Parameters<Veil['hides']>): ReturnType<Veil['hides']> {
    this.looks += 1;
    return super.hides(...of);
  }
}

test('given a request of many writes, then what is hidden of each object is looked at once, whatever of it is named', () => {
  const veil = new CountingVeil({
    records: [{ def: Person, params: {}, read: null }],
    name: 'bob',
    principal: { subject: 'bob' },
    now: () => 0,
    valueAt: () => undefined,
    tell: () => undefined,
  });
  const gate = new RecordGate([
    { def: Person, params: {}, writeSchema: null, write: null, mutations: {} },
  ]);
  const tree = Tree.empty();
  for (const id of ['ada', 'eve']) {
    for (const [field, value] of Object.entries({ name: id, mood: 'sad' })) {
      tree.put(at(`people/${id}/${field}`), { value, type: 'string', revision: 1 });
    }
  }
  const caller = { principal: { subject: 'bob' }, isExempt: false, veil };
  const name = (id: string) => ({ op: 'set', path: at(`people/${id}/name`), value: 'x' }) as const;
  const screened = (ops: readonly Write[]) => {
    const request = { op: 'transact', ops, preconditions: [] } as const;
    return gate.screen({ tree, request, caller })?.details;
  };
  const harmless = Array.from({ length: 100 }, (_, n) => name(n % 2 === 0 ? 'ada' : 'eve'));
  expect(screened(harmless)).toBeUndefined();
  expect(veil.looks).toBe(2);
  const mood = { op: 'delete', path: at('people/eve/mood') } as const;
  expect(screened([...harmless, mood])).toEqual({ fields: ['mood'], op_index: 100 });
  // What is left out of it would be removed; and of what nobody named nothing is told.
  const whole = { op: 'set', path: at('people/ada'), value: { name: 'x' } } as const;
  expect(screened([name('ada'), whole])).toEqual({ fields: [], op_index: 1 });
  expect(screened([{ op: 'delete', path: at('people') }])).toBeUndefined();
  expect(screened([{ op: 'delete', path: at('people/ada') }])).toEqual({ fields: [], op_index: 0 });
  const merge = { op: 'merge', path: at('people/ada'), value: { name: 'x', mood: 'ok' } } as const;
  expect(screened([merge])).toEqual({ fields: ['mood'], op_index: 0 });
});
