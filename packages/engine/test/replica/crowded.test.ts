import { asGlob, type Json, type OpId, type Request } from '@holdfast/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Desk, path } from './desk.ts';

const many = 300;

/** A desk with so many requests on their way, which counts how often one of them is decided. */
function crowded(under: string): { readonly desk: Desk; readonly decided: () => number } {
  let count = 0;
  const desk = new Desk({
    patterns: [asGlob('a/**')],
    mutate: (_, { path: at, value }) => {
      count += 1;
      return [{ op: 'set', path: at, value }];
    },
  }).live();
  for (const at of ids.keys()) {
    const of = { record: 'any', name: 'put', value: { at } };
    desk.ask(`w${at}`, { op: 'mutate', path: path(`${under}/k${at}`), ...of });
  }
  return { desk, decided: () => count };
}

const ids: readonly OpId[] = Array.from({ length: many }, (_, at) => `w${at}`);

describe('a queue of hundreds, each answered by itself', () => {
  test('is decided once each where what is committed is not in the scope (C4)', () => {
    const { desk, decided } = crowded('b');
    for (const [at, id] of ids.entries()) {
      desk.events([], [at, at + 1]);
      desk.ok(id, { store_seq: at + 1 });
      expect(desk.value(`b/k${at}`)).toBeUndefined();
    }
    expect([decided(), desk.outbox()]).toEqual([many, []]);
  });

  test('is decided once each where all of it is refused (C4)', () => {
    const { desk, decided } = crowded('a');
    const left: unknown[] = [];
    for (const [at, id] of ids.entries()) {
      desk.refuse(id, 'limit_exceeded');
      left.push(desk.value(`a/k${at}`) ?? desk.value(`a/k${at + 1}`));
    }
    expect(left).toEqual([...ids.keys()].map((at) => (at + 1 < many ? { at: at + 1 } : undefined)));
    expect([decided(), desk.outbox()]).toEqual([many, []]);
  });

  test('is decided once each where the server makes something else of each', () => {
    const { desk, decided } = crowded('a');
    for (const [at, id] of ids.entries()) {
      desk.events([[at + 1, 'set', `a/k${at}`, { else: at }, 'me', id]]);
      desk.ok(id, { store_seq: at + 1 });
    }
    expect([decided(), desk.value('a/k7'), desk.outbox()]).toEqual([many, { else: 7 }, []]);
  });
});

test('the requests near a path are those that write at it, above it or below it, in their order', () => {
  const desk = new Desk().live();
  const near = (at: string): readonly OpId[] =>
    desk.replica.outboxNear(path(at)).map(({ opId }) => opId);
  desk.set('below', 'm/a/b', 1);
  desk.set('beside', 'm/ab', 1);
  desk.ask('blind', { op: 'delete', path: path('m/a') }, true);
  const ops = ['m/a/c', 'n', 'm/a/d'].map(
    (at) => ({ op: 'set', path: path(at), value: 1 }) as const,
  );
  desk.ask('both', { op: 'transact', ops, preconditions: [] });
  desk.set('above', 'm', { a: 1 });
  expect(near('m/a')).toEqual(['below', 'blind', 'both', 'above']);
  expect([near('m/a/b/c'), near('n')]).toEqual([['below', 'blind', 'above'], ['both']]);
  desk.refuse('both', 'limit_exceeded');
  desk.refuse('below', 'limit_exceeded');
  expect([near('m/a'), near('n'), near('elsewhere')]).toEqual([['blind', 'above'], [], []]);
});

test('a value that stood in the place of a map leaves all of the map as it was', () => {
  const desk = new Desk().live();
  desk.set('elsewhere', 'other', 1);
  desk.events([[1, 'set', 'm', { a: 1, deep: { b: 2 } }]]);
  desk.set('over', 'm', 'text');
  desk.refuse('over', 'limit_exceeded');
  expect(desk.value('m')).toEqual({ a: 1, deep: { b: 2 } });
});

test('a map is guarded as it is committed, once what was written below it is refused', () => {
  const desk = new Desk().live();
  desk.set('elsewhere', 'other', 1);
  desk.events([[1, 'set', 'm', { a: 1, c: 1 }]]);
  desk.ask('undecidable', { op: 'increment', path: path('m/c'), value: 1 });
  desk.events([[2, 'set', 'm/c', 'text']]);
  desk.set('beside', 'm/a', 2);
  desk.refuse('beside', 'limit_exceeded');
  desk.refuse('undecidable', 'type_mismatch', { type: 'string' });
  desk.ask('guarded', { op: 'set', path: path('m'), value: { b: 1 }, ifMatch: 2 });
  expect(desk.outbox()).toEqual(['elsewhere sent', 'guarded sent']);
  desk.refuse('guarded', 'limit_exceeded');
  desk.ask('late', { op: 'set', path: path('m'), value: { b: 1 }, ifMatch: 1 });
  expect(desk.refusalOf('late')).toBe('conflict');
});

test('a map is at its committed revision again once a write below it is refused, though another rests on something below it', () => {
  const desk = new Desk().live();
  desk.events([[1, 'set', 'm', { a: 1, c: 1 }]]);
  desk.set('refused', 'm/a', 2);
  desk.ask('resting', {
    op: 'transact',
    ops: [{ op: 'set', path: path('n'), value: 1 }],
    preconditions: [{ kind: 'exists', path: path('m/c') }],
  });
  desk.refuse('refused', 'limit_exceeded');
  desk.events([[2, 'set', 'n', 1, 'me', 'resting']]);
  expect(desk.replica.entry(path('m'))).toMatchObject({ revision: 1, pending: false });
});

const places = ['a', 'a/x', 'a/x/1', 'a/x/2', 'a/y', 'b/x', 'b/x/1'];
const values: readonly Json[] = [1, 'text', {}, { 1: 'one', 2: { deep: true } }, { y: 0 }];

const place = fc.constantFrom(...places.map(path));
const value = fc.constantFrom(...values);

const ask: fc.Arbitrary<Request> = fc.oneof(
  fc.record({ op: fc.constant('set' as const), path: place, value }),
  fc.record({ op: fc.constant('delete' as const), path: place }),
  fc.record({
    op: fc.constant('merge' as const),
    path: place,
    value: fc.constant({ 2: 'two', z: { w: 1 } }),
  }),
  fc.record({ op: fc.constant('increment' as const), path: place, value: fc.constant(1) }),
  fc.record({
    op: fc.constant('transact' as const),
    ops: fc.tuple(fc.record({ op: fc.constant('set' as const), path: place, value })),
    preconditions: fc.tuple(fc.record({ kind: fc.constant('exists' as const), path: place })),
  }),
);

const foreign = fc.oneof(
  fc.tuple(fc.constant('set' as const), place, value),
  fc.tuple(fc.constant('delete' as const), place, fc.constant(null)),
);

type Happening =
  | { readonly ask: Request }
  | { readonly foreign: readonly ['set' | 'delete', string, Json] }
  | { readonly answer: 'refused' | 'unseen' | 'seen'; readonly which: number };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ ask }),
  fc.record({ foreign }),
  fc.record({ answer: fc.constantFrom('refused', 'unseen', 'seen'), which: fc.nat({ max: 3 }) }),
);

test('whatever is answered in whatever order, what is shown is what a replica shows that begins with all of it', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 40 }), (happenings) => {
      const desk = new Desk().live();
      for (const each of happenings) {
        happen(desk, each);
        expect(looked(desk)).toEqual(looked(new Desk({ image: desk.replica.image() })));
      }
    }),
    { numRuns: 150 },
  );
});

function happen(desk: Desk, each: Happening): void {
  const { seq } = desk.replica.status();
  if ('ask' in each) {
    desk.now += 1;
    desk.ask(`w${desk.now}`, each.ask);
  } else if ('foreign' in each) {
    desk.events([[seq + 1, ...each.foreign]]);
  } else {
    answer(desk, each);
  }
}

function answer(desk: Desk, { answer: as, which }: Extract<Happening, { which: number }>): void {
  const asked = desk.replica.outbox()[which];
  if (asked?.status.state !== 'sent') return;
  if (as === 'refused') return desk.refuse(asked.opId, 'limit_exceeded');
  const { seq } = desk.replica.status();
  const commit = as === 'seen' ? plainly(asked.request) : null;
  if (commit !== null) return desk.events([[seq + 1, ...commit, 'me', asked.opId]]);
  // It is committed, and nothing of it is to be seen here.
  desk.events([], [seq, seq + 1]);
  return desk.ok(asked.opId, { store_seq: seq + 1 });
}

/** What a commit of the request says; null where that depends on what is committed by then. */
function plainly(request: Request): readonly ['set' | 'delete', string, Json] | null {
  const [write] = request.op === 'transact' ? request.ops : [request];
  if (write?.op === 'set') return ['set', write.path, write.value];
  return write?.op === 'delete' ? ['delete', write.path, null] : null;
}

/** All that is to be seen; the revisions of own writes only as such. */
function looked({ replica }: Desk): unknown {
  const paths = [...places, ...replica.entries({}).items.map((each) => each.path)];
  return paths.map((at) => {
    const shown = replica.entry(path(at));
    const { revision = 0.5, ...rest } = shown ?? {};
    return [at, rest, Number.isInteger(revision) && revision];
  });
}
