import { asPath, isRefusal, parseGlob, type Transaction, type Write } from '@holdfast/protocol';
import { type PathGrants, Scope } from '@holdfast/engine/data';
import { describe, expect, test, vi } from 'vitest';
import { Desk, increment, lease, remove, set, transact } from './desk.ts';

function scope(...globs: string[]): Scope {
  return new Scope(
    globs.map((text) => {
      const pattern = parseGlob(text);
      if (isRefusal(pattern)) throw new TypeError(text);
      return pattern;
    }),
  );
}

function grants(read: readonly string[], write: readonly string[]): { grants: PathGrants } {
  return { grants: { read: scope(...read), write: scope(...write) } };
}

const mine = grants(['mine/**'], ['mine/**']);
const drop = grants(['mine/**'], ['mine/**', 'drop/**']);

function refused(path: string, more: object = {}) {
  const details = { path, message: expect.any(String), ...more };
  return { code: 'path_not_allowed', details };
}

function many(from: number): { readonly [key: string]: number } {
  return Object.fromEntries(Array.from({ length: 9999 }, (_, n) => [`k${from + n}`, 0]));
}

/** A write where there has to be something at these paths. */
function there(...paths: string[]): Transaction {
  const guards = paths.map((path) => ({ kind: 'exists', path: asPath(path) }) as const);
  return transact([set('mine/a', 1)], guards);
}

describe('path rules', () => {
  test('S102 let a write pass that stays within them, and no other; what is refused changes nothing', () => {
    const desk = new Desk();
    expect(desk.ask(set('mine/a', 1), mine)).toEqual({ store_seq: 1 });
    expect(desk.ask(set('theirs/a', 1), mine)).toMatchObject(refused('theirs/a'));
    expect(desk.ask(set('mine', { a: 2 }), mine)).toEqual({ store_seq: 2 });
    expect(desk.ask(increment('theirs/n', 1), mine)).toMatchObject(refused('theirs/n'));
    expect(desk.ask(remove('theirs'), mine)).toMatchObject(refused('theirs'));
    expect(desk.committed).toHaveLength(2);
  });

  test('S102 forbid to remove what they hide, be it above or below; only the path that was asked for is named', () => {
    const desk = new Desk();
    desk.ask(set('all/mine/a', 1));
    desk.ask(set('all/secret/b', 1));
    desk.ask(set('top', 1));
    const some = grants(['**'], ['all/mine/**', 'top/mine/**', 'all']);
    expect(desk.ask(remove('all'), some)).toMatchObject(refused('all'));
    expect(desk.ask(set('all', 7), some)).toMatchObject(refused('all'));
    // The leaf `top` would have to go.
    expect(desk.ask(set('top/mine/x', 1), some)).toMatchObject(refused('top/mine/x'));
    expect(JSON.stringify([...desk.replies.values()])).not.toContain('secret');
    expect(desk.ask(remove('all/mine'), some)).toMatchObject({ store_seq: 4 });
  });

  test('S102 come before guards: nobody learns the revision of what it may not read', () => {
    const desk = new Desk();
    desk.ask(set('drop/box', 1));
    desk.ask(set('mine/a', 1));
    const guarded = { ...set('drop/box', 2), ifMatch: 9 } as Write;
    expect(desk.ask(guarded, drop)).toMatchObject(refused('drop/box'));
    const claimed = { ...set('drop/box', 2), ifAbsent: true } as Write;
    expect(desk.ask(claimed, drop)).toMatchObject(refused('drop/box'));
    const fenced = { ...set('mine/a', 2), fence: { key: asPath('drop/box'), token: 1 } } as Write;
    expect(desk.ask(fenced, drop)).toMatchObject(refused('mine/a'));
    expect(desk.ask(set('drop/box', 2), drop)).toEqual({ store_seq: 3 });
  });

  test('S102 that something must be there may be said by who sees some of it; all guards of a request look at 10 000 leaves', () => {
    const desk = new Desk();
    desk.ask(set('one', many(10_000)));
    desk.ask(set('one/last', 1));
    desk.ask(set('two', many(20_000)));
    desk.ask(set('two/k0', 1));
    desk.ask(set('two/last', 1));
    const some = grants(['*/last'], ['mine/**']);
    expect(desk.ask(there('one'), some)).toMatchObject({ store_seq: 6 });
    expect(desk.ask(there('two'), some)).toMatchObject(refused('two'));
    const twice = refused('one', { precondition_index: 1 });
    expect(desk.ask(there('one', 'one'), some)).toMatchObject(twice);
    const none = grants(['three/**'], ['mine/**']);
    expect(desk.ask(there('one'), none)).toMatchObject(refused('one'));
  });

  test('S102 what may be removed is looked at once in a request, however many of its ops are about it', () => {
    const desk = new Desk();
    desk.ask(set('one', many(0)));
    const some = grants(['**'], ['one/*']);
    const looks = vi.spyOn(some.grants.write, 'covers');
    const all = Array.from({ length: 50 }, () => remove('one'));
    expect(desk.ask(transact(all), some)).toMatchObject({ first_seq: 2 });
    expect(looks.mock.calls.length).toBeLessThan(20_000);
  });

  test('S102 a guard on a map needs all of it readable', () => {
    const desk = new Desk();
    desk.ask(set('p/a', 1));
    const part = grants(['p', 'p/b'], ['**']);
    const guarded = { ...set('p/b', 2), ifMatch: 0 } as Write;
    expect(desk.ask(guarded, part)).toMatchObject({ code: 'conflict' });
    const whole = { op: 'set', path: asPath('p'), value: { b: 1 }, ifMatch: 1 } as Write;
    expect(desk.ask(whole, part)).toMatchObject(refused('p'));
    expect(desk.ask(whole, grants(['p/**'], ['**']))).toEqual({ store_seq: 2 });
  });

  test('S102 who may write but not read does not hear who holds a lease, nor what type a leaf has', () => {
    const desk = new Desk();
    desk.ask(lease('drop/l', 1000, 'ann'));
    desk.ask(set('drop/text', 'x'));
    const held = desk.ask(lease('drop/l', 1000), drop);
    expect(held).toMatchObject({ code: 'held', details: {} });
    expect(JSON.stringify(held)).not.toContain('ann');
    const below = desk.ask(remove('drop'), drop);
    expect(JSON.stringify(below)).not.toContain('ann');
    const mismatch = desk.ask(increment('drop/text', 1), drop);
    expect(mismatch).toMatchObject({ code: 'type_mismatch' });
    expect(JSON.stringify(mismatch)).not.toContain('string');
    expect(desk.ask(increment('drop/text', 1), grants(['**'], ['**']))).toMatchObject({
      details: { type: 'string' },
    });
  });

  test('S102 forbid a transaction as a whole, and tell which op or precondition', () => {
    const desk = new Desk();
    desk.ask(set('theirs/a', 1));
    const ops = [set('mine/a', 1), set('theirs/a', 2)];
    expect(desk.ask(transact(ops), mine)).toMatchObject(refused('theirs/a', { op_index: 1 }));
    const asks = transact([set('mine/a', 1)], [{ kind: 'exists', path: asPath('theirs/a') }]);
    expect(desk.ask(asks, mine)).toMatchObject(refused('theirs/a', { precondition_index: 0 }));
    expect(desk.value('mine/a')).toBeUndefined();
    expect(desk.ask(transact([set('mine/a', 1)]), mine)).toMatchObject({ store_seq: 2 });
  });

  test('S102 do not keep a repeat from its first answer', () => {
    const desk = new Desk();
    expect(desk.ask(set('mine/a', 1), { opId: 'x' })).toEqual({ store_seq: 1 });
    expect(desk.ask(set('mine/a', 1), { opId: 'x', ...grants([], []) })).toEqual({ store_seq: 1 });
  });
});
