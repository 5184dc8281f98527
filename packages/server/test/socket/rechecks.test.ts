import { setImmediate as turn } from 'node:timers/promises';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { Access, type Principal, TokenAuthority } from '../../src/access/index.ts';
import { Rechecks } from '../../src/socket/rechecks.ts';
import { settled, TestClock } from '../../src/testing/test-clock.ts';
import { person } from '../records/site.ts';

const ann = person('ann');

/** Open sockets with tokens, and what becomes of them. */
function crowd(tokens: readonly string[], ask: (token: string) => Promise<Principal | null>) {
  const clock = new TestClock();
  const ended = new Map<string, number>();
  const asked: string[] = [];
  const open = new Set(
    tokens.map((token) => ({
      credentials: { token, params: new URLSearchParams(), headers: {} },
      principal: ann,
      end: (code: number) => void ended.set(token, code),
    })),
  );
  const access = new Access({
    tokens: new TokenAuthority(memory({ now: () => clock.wall() }), { now: () => clock.wall() }),
    now: () => clock.wall(),
    authenticate: ({ token }) => {
      asked.push(token ?? '');
      return ask(token ?? '');
    },
  });
  const rechecks = new Rechecks({ access, clock, report: () => undefined }, open);
  return { clock, ended, asked, open, rechecks };
}

const many = Array.from({ length: 3000 }, (_, at) => `t${at}`);

test('the tokens of thousands of sockets are looked at a few in each turn, so that nobody waits for all of them', async () => {
  const { asked, rechecks } = crowd(many, () => Promise.resolve(ann));
  rechecks.inTurn();
  const mostInTurn = [asked.length];
  for (let before = 0; before < many.length; before = asked.length) {
    await turn();
    mostInTurn.push(asked.length - before);
  }
  expect(Math.max(...mostInTurn)).toBeLessThanOrEqual(100);
  expect(asked.toSorted()).toEqual(many.toSorted());
});

test('all sockets of a token share a look, also where they are looked at in several turns', async () => {
  const { asked, rechecks, open } = crowd(['a', ...many.map(() => 'same')], () =>
    Promise.resolve(ann),
  );
  rechecks.inTurn();
  for (let turns = 0; turns < open.size / 50; turns += 1) await turn();
  expect(asked).toEqual(['a', 'same']);
});

test('whoever has lost its rights while all are looked at is found by the round that is asked for then', async () => {
  let revoked = '';
  const { asked, ended, rechecks } = crowd(many, (token) =>
    Promise.resolve(token === revoked ? null : ann),
  );
  rechecks.inTurn();
  revoked = 't0';
  rechecks.soon();
  while (asked.length < 2 * many.length) await turn();
  await settled();
  expect([...ended]).toEqual([['t0', 4001]]);
});

test('an authenticator that is slower than all who are asked about is not asked about more than it answers in time', async () => {
  const waiting: (() => void)[] = [];
  const { clock, asked, ended, rechecks } = crowd(many, async () => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return ann;
  });
  rechecks.inTurn();
  // It answers a hundred in each 100 ms: all at once would take 3 s.
  for (let ms = 0; ms < 6000 && asked.length < many.length; ms += 100) {
    for (const answer of waiting.splice(0, 100)) answer();
    await clock.advance(100);
    if (ms % 1000 === 0) rechecks.judge();
  }
  expect(asked).toHaveLength(many.length);
  expect(ended.size).toBe(0);
});

test('a check that has come to its end while the process was busy is not taken for one without an end', async () => {
  const answers: (() => void)[] = [];
  const { clock, ended, rechecks } = crowd(['a', 'b'], (token) =>
    token === 'b'
      ? new Promise(() => undefined)
      : new Promise((resolve) => answers.push(() => resolve(ann))),
  );
  rechecks.inTurn();
  await clock.advance(2000);
  // It is heard in this turn of the event loop, after the timers.
  setImmediate(() => answers.forEach((answer) => answer()));
  rechecks.judge();
  await settled();
  expect([...ended]).toEqual([['b', 4002]]);
});
