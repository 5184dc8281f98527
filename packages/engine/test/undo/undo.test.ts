import {
  asPath,
  isRefusal,
  type Json,
  type Leaf,
  type Request,
  type Write,
} from '@holdfast/protocol';
import fc from 'fast-check';
import { type Fate, type Step, UndoHistory } from '@holdfast/engine/undo';
import { expect, test } from 'vitest';
import { Editor, places } from './editor.ts';

const one: Leaf = { value: 1, type: 'integer', revision: 1 };

const values: fc.Arbitrary<Json> = fc.constantFrom<Json>(
  1,
  2.5,
  'x',
  null,
  true,
  [1, 2],
  ['p', 'q'],
  {},
  { y: 1 },
  { y: { z: 'deep' }, w: [] },
  { b: 'child', x: { c: 1 } },
  { _type: 'decimal', _typed: '1.50' },
);
const path = fc.constantFrom(...places);
const member = fc.constantFrom<Json>('p', 'q', 'r', 1);
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ op: fc.constant('set' as const), path, value: values }),
  fc.record({ op: fc.constant('delete' as const), path }),
  fc.record({
    op: fc.constant('merge' as const),
    path,
    value: fc.dictionary(fc.constantFrom('b', 'c', 'x', '__proto__'), values, { maxKeys: 3 }),
  }),
  fc.record({ op: fc.constant('increment' as const), path, value: fc.constantFrom(1, -3, 0.1, 0) }),
  fc.record({ op: fc.constant('add' as const), path, value: member }),
  fc.record({ op: fc.constant('remove' as const), path, value: member }),
);
const request: fc.Arbitrary<Request> = fc.oneof(
  { weight: 3, arbitrary: write },
  {
    weight: 1,
    arbitrary: fc
      .array(write, { minLength: 1, maxLength: 4 })
      .map((ops) => ({ op: 'transact' as const, ops, preconditions: [] })),
  },
);

test('undo brings back each state before, exactly, and redo each state after (P58)', () => {
  fc.assert(
    fc.property(
      fc.array(request, { maxLength: 12 }),
      fc.array(request, { maxLength: 6 }),
      (given, own) => {
        const editor = new Editor();
        for (const each of given) editor.foreign(each);
        const states = [editor.state];
        for (const each of own) {
          const before = editor.history.count('undo');
          editor.write(each);
          if (editor.history.count('undo') > before) states.push(editor.state);
          else expect(editor.state).toEqual(states.at(-1));
        }
        for (const round of [1, 2]) {
          for (const state of states.slice(0, -1).toReversed()) {
            expect(editor.take('undo'), `round ${round}`).toBe('done');
            expect(editor.state).toEqual(state);
          }
          expect(editor.take('undo')).toBe('nothing');
          for (const state of states.slice(1)) {
            expect(editor.take('redo')).toBe('done');
            expect(editor.state).toEqual(state);
          }
          expect(editor.take('redo')).toBe('nothing');
        }
      },
    ),
    { numRuns: 1000 },
  );
});

/** What others wrote last is as they left it. Totals and sets are shared: of those, more below. */
function expectKept(state: Editor['state'], theirs: ReadonlyMap<string, unknown>): void {
  for (const [at, leaf] of theirs) {
    const { type } = (leaf ?? {}) as { type?: string };
    if (type !== 'counter' && type !== 'set') expect(state[at], at).toEqual(leaf);
  }
}

/** What a reader sees of a leaf. */
const valueOf = (leaf: unknown): string | undefined =>
  JSON.stringify((leaf as { value?: unknown } | undefined)?.value);

/** What is at our places by now is our doing, but where others were. */
function noteOurs(
  ours: Map<string, string | undefined>,
  state: Editor['state'],
  theirs: ReadonlyMap<string, unknown>,
): void {
  for (const at of ours.keys()) {
    const leaf = Object.hasOwn(state, at) ? state[at] : undefined;
    if (!theirs.has(at)) ours.set(at, valueOf(leaf));
  }
}

type Move = { readonly who: 'own' | 'foreign' | 'undo' | 'redo'; readonly request: Request };

test('undo amid the writes of others does all of it or nothing, and changes nothing of theirs (P58)', () => {
  const move: fc.Arbitrary<Move> = fc.record({
    who: fc.constantFrom('own' as const, 'foreign' as const, 'undo' as const, 'redo' as const),
    request,
  });
  let done = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.array(move, { maxLength: 25 }), fc.boolean(), (moves, isLate) => {
      const editor = new Editor();
      // What others wrote last, and nobody of us since; undefined: they removed it.
      const theirs = new Map<string, unknown>();
      const ours = new Map<string, string | undefined>();
      const note = (before: object, act: (path: string, leaf: unknown) => void): void => {
        const after = editor.state;
        for (const each of new Set([...Object.keys(before), ...Object.keys(after)])) {
          const [was, is] = [before[each as never] as unknown, after[each]];
          if (JSON.stringify(was) !== JSON.stringify(is)) act(each, is);
        }
      };
      const foreign = (each: Request): void => {
        const before = editor.state;
        editor.foreign(each);
        note(before, (at, leaf) => {
          // What they took back themselves, or wrote the same, is as if nothing had been.
          if (ours.has(at) && ours.get(at) === valueOf(leaf)) theirs.delete(at);
          else theirs.set(at, leaf);
        });
      };
      for (const { who, request: each } of moves) {
        const before = editor.state;
        if (who === 'foreign') foreign(each);
        else if (who === 'own') {
          editor.write(each);
          note(before, (at, leaf) => {
            theirs.delete(at);
            ours.set(at, valueOf(leaf));
          });
        } else {
          const outcome = editor.take(who, () => (isLate ? foreign(each) : undefined));
          if (outcome === 'done') done++;
          if (isRefusal(outcome)) {
            refused++;
            expect(['conflict', 'exists', 'type_mismatch']).toContain(outcome.code);
            expect(isLate ? before : editor.state).toEqual(before);
          }
          expectKept(editor.state, theirs);
          if (outcome === 'done') noteOurs(ours, editor.state, theirs);
        }
      }
    }),
    { numRuns: 3000 },
  );
  expect(Math.min(done, refused)).toBeGreaterThan(100);
});

const set = (at: string, value: Json): Write => ({ op: 'set', path: asPath(at), value });
const increment = (at: string, value: number): Write => ({
  op: 'increment',
  path: asPath(at),
  value,
});

test('a total keeps what others added, and a set the members of others (P58)', () => {
  const editor = new Editor();
  editor.write(increment('n', 5));
  editor.foreign(increment('n', 100));
  expect(editor.take('undo')).toBe('done');
  expect(editor.state['n']?.value).toBe(100);
  expect(editor.take('redo')).toBe('done');
  expect(editor.state['n']?.value).toBe(105);
  editor.write({ op: 'add', path: asPath('s'), value: 'mine' });
  editor.foreign({ op: 'add', path: asPath('s'), value: 'theirs' });
  expect(editor.take('undo')).toBe('done');
  expect(editor.state['s']).toEqual({ type: 'set', value: ['theirs'] });
});

test('a leaf that somebody else has changed is refused by name, and can be given up (P58)', () => {
  const editor = new Editor();
  editor.write(set('a', 1));
  editor.write({ op: 'transact', ops: [set('b', 1), set('c', 1)], preconditions: [] });
  editor.foreign(set('c', 'theirs'));
  expect(editor.take('undo')).toMatchObject({ code: 'conflict', details: { path: 'c' } });
  expect(editor.history.count('undo')).toBe(2);
  editor.history.drop('undo');
  expect(editor.take('undo')).toBe('done');
  expect(Object.keys(editor.state)).toEqual(['b', 'c']);
});

test('an undo is not refused for a leaf beside it that goes while another comes in its place (P58)', () => {
  const editor = new Editor();
  editor.foreign(set('all/theirs/a', 1));
  editor.foreign(set('all/mine', 1));
  editor.write({ op: 'delete', path: asPath('all/mine') });
  const undone = editor.take('undo', () => {
    const move = [{ op: 'delete' as const, path: asPath('all/theirs/a') }, set('all/theirs/b', 1)];
    editor.foreign({ op: 'transact', ops: move, preconditions: [] });
  });
  expect([undone, Object.keys(editor.state)]).toEqual(['done', ['all/mine', 'all/theirs/b']]);
});

test('a new write empties redo; no more than the limit is kept, the newest (P58)', () => {
  const editor = new Editor(2);
  for (const value of [1, 2, 3]) editor.write(set('a', value));
  expect(editor.take('undo')).toBe('done');
  editor.write(set('b', 1));
  expect([editor.history.count('undo'), editor.history.count('redo')]).toEqual([2, 0]);
  expect([editor.take('undo'), editor.take('undo'), editor.take('undo')]).toEqual([
    'done',
    'done',
    'nothing',
  ]);
  expect(editor.state['a']?.value).toBe(1);
});

test('a write that is refused is no step, and an undo that is refused can be undone again (P58)', () => {
  const editor = new Editor();
  const { history } = editor;
  const fates = { write: 'pending', undo: 'pending' } as {
    write: 'pending' | 'refused';
    undo: 'pending' | 'refused';
  };
  const changes = [{ path: asPath('a'), before: undefined, after: undefined }];
  history.wrote({ roots: [], changes, fate: () => fates.write });
  history.took('undo', { roots: [], changes, fate: () => fates.undo });
  expect([history.count('undo'), history.count('redo')]).toEqual([0, 1]);
  fates.undo = 'refused';
  expect([history.count('undo'), history.count('redo')]).toEqual([1, 0]);
  fates.write = 'refused';
  expect([history.count('undo'), history.count('redo')]).toEqual([0, 0]);
});

test('an undo that is refused after a new write gives its step back, in the order of the writes (P58)', () => {
  const history = new UndoHistory(10);
  const fates = new Map<string, Fate>();
  const step = (name: string): Step => {
    const changes = [{ path: asPath(name), before: undefined, after: one }];
    return { roots: [asPath(name)], changes, fate: () => fates.get(name) ?? 'pending' };
  };
  const next = (): unknown => {
    const plan = history.plan('undo', { leaf: () => one, below: () => [], knows: () => true });
    history.drop('undo');
    return plan !== null && !isRefusal(plan) ? plan.ops.map(({ path: at }) => at) : plan;
  };
  for (const name of ['a', 'b', 'c']) history.wrote(step(name));
  history.took('undo', step('c-'));
  history.took('undo', step('b-'));
  history.wrote(step('d'));
  fates.set('c-', 'committed');
  expect([history.count('undo'), history.count('redo')]).toEqual([2, 0]);
  fates.set('b-', 'refused');
  expect([history.count('undo'), history.count('redo')]).toEqual([3, 0]);
  expect([next(), next(), next(), next()]).toEqual([['d'], ['b'], ['a'], null]);
});

/** A step that was taken back and made again; what became of that is yet to come. */
function undoneAndRedone() {
  const history = new UndoHistory(10);
  const fates: { undo: Fate; redo: Fate } = { undo: 'pending', redo: 'pending' };
  const changes = [{ path: asPath('a'), before: undefined, after: one }];
  history.wrote({ roots: [], changes, fate: () => 'committed' });
  history.took('undo', { roots: [], changes, fate: () => fates.undo });
  history.took('redo', { roots: [], changes, fate: () => fates.redo });
  return { history, fates, changes };
}

test('of an undo and a redo that are refused both the step is left (P58)', () => {
  const { history, fates } = undoneAndRedone();
  fates.undo = 'refused';
  fates.redo = 'refused';
  expect([history.count('undo'), history.count('redo')]).toEqual([1, 0]);
});

test('what was committed behind writes of others is not undone, but for totals and sets (P58)', () => {
  const editor = new Editor();
  editor.fate = 'rebased';
  editor.write(increment('n', 5));
  expect(editor.take('undo')).toMatchObject({ code: 'conflict' });
  editor.history.clear();
  editor.write(increment('n', 2));
  expect(editor.take('undo')).toBe('done');
  editor.write(set('a', 1));
  expect(editor.take('undo')).toMatchObject({ code: 'conflict', details: { path: 'a' } });
});

test('of an undo and a redo of it that are refused after a new write, the redo first, the step is left (P58)', () => {
  const { history, fates, changes } = undoneAndRedone();
  history.wrote({ roots: [], changes, fate: () => 'committed' });
  fates.redo = 'cancelled';
  expect([history.count('undo'), history.count('redo')]).toEqual([1, 0]);
  fates.undo = 'refused';
  expect([history.count('undo'), history.count('redo')]).toEqual([2, 0]);
});
