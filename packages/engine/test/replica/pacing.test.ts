import { asGlob, type Glob } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { Desk } from './desk.ts';

type Push = Desk['pushes'][number];

/** A server that lets writes through at a rate, and blocks a channel when one is refused. */
class PacedServer {
  readonly committed: string[] = [];
  pushes = 0;
  #tokens: number;
  #at: number;
  #blockedBy: string | null = null;
  readonly #burst: number;
  readonly #perMs: number;

  constructor({ burst, perMs, now }: { burst: number; perMs: number; now: number }) {
    this.#burst = burst;
    this.#perMs = perMs;
    this.#tokens = burst;
    this.#at = now;
  }

  answer(desk: Desk, { id, payload }: Push): void {
    this.pushes++;
    this.#tokens = Math.min(this.#burst, this.#tokens + (desk.now - this.#at) * this.#perMs);
    this.#at = desk.now;
    if ('unblock' in payload) this.#blockedBy = null;
    const waitMs = Math.max(0, Math.ceil((1 - this.#tokens) / this.#perMs));
    if (this.#blockedBy !== null) {
      const details = { client_op_id: this.#blockedBy, retry_after_ms: waitMs };
      desk.refuse(id, 'blocked', details);
    } else if (waitMs > 0) {
      this.#blockedBy = id;
      desk.refuse(id, 'rate_limited', { retry_after_ms: waitMs });
    } else {
      this.#tokens--;
      this.committed.push(id);
      desk.ok(id, { store_seq: this.committed.length });
    }
  }
}

test('S66 1 000 writes after an outage pass a burst of 100 in order, as fast as they may, without a storm (P7)', () => {
  const desk = new Desk({ random: () => 0.5 });
  const ids = Array.from({ length: 1000 }, (_, index) => `w${index}`);
  for (const [index, id] of ids.entries()) desk.set(id, `k${index % 7}`, index);
  const start = desk.now;
  const server = new PacedServer({ burst: 100, perMs: 0.1, now: start });
  desk.live();
  while (server.committed.length < ids.length) {
    const pushes = desk.pushes;
    desk.pushes = [];
    for (const push of pushes) server.answer(desk, push);
    if (pushes.length > 0) continue;
    const wakeAt = desk.wakeAt ?? Number.NaN;
    expect(wakeAt).toBeGreaterThan(0);
    desk.wakeAt = null;
    desk.now = Math.max(desk.now, wakeAt);
    desk.step({ type: 'tick' });
  }
  expect(server.committed).toEqual(ids);
  // 900 of them at one per 10 ms.
  expect(desk.now - start).toBeGreaterThanOrEqual(9000);
  expect(desk.now - start).toBeLessThan(9000 * 1.2);
  expect(server.pushes).toBeLessThan(4 * ids.length);
});

const globs = (...names: readonly string[]): readonly Glob[] =>
  names.map((name) => asGlob(`${name}/**`));

/** What is pushed by the time that so much more has passed. */
const passed = (desk: Desk, ms: number): readonly unknown[] => {
  desk.now += ms;
  desk.step({ type: 'tick' });
  return desk.pushes.splice(0).map(({ payload }) => payload);
};

describe('a part that is not to be had yet, for the rate', () => {
  const limited = { retry_after_ms: 700 };

  /** A replica that holds a part, wants another, and has been told to wait for it. */
  function waiting(): Desk {
    const desk = new Desk({ patterns: globs('a') });
    desk.join({ patterns: globs('a'), scope: 's' });
    desk.message('catch_up_complete', { through_seq: 0 });
    desk.step({ type: 'want', patterns: globs('a', 'b') });
    expect(desk.pushes.map(({ event, payload }) => [event, payload])).toEqual([
      ['scope', { add: ['b/**'] }],
    ]);
    desk.wakeAt = null;
    desk.pushes = [];
    desk.refuse('scope', 'rate_limited', limited);
    return desk;
  }

  test('is asked for again when its time has come, on the same channel, with what is wanted by then', () => {
    const desk = waiting();
    expect(desk.wakeAt).toBe(desk.now + 700);
    desk.step({ type: 'want', patterns: globs('a', 'b', 'c') });
    expect(passed(desk, 699)).toEqual([]);
    expect(passed(desk, 1)).toEqual([{ add: ['b/**', 'c/**'] }]);
    expect([desk.rejoins, desk.replica.status().denied]).toEqual([0, []]);
    // Nothing is due while the answer is on its way.
    desk.wakeAt = null;
    expect([passed(desk, 5), desk.wakeAt]).toEqual([[], null]);
  });

  test('is not waited for once nobody wants it: what is to go goes at once', () => {
    const desk = waiting();
    desk.step({ type: 'want', patterns: globs('c') });
    expect(desk.pushes).toEqual([]);
    desk.step({ type: 'want', patterns: [] });
    expect(desk.pushes.map(({ payload }) => payload)).toEqual([{ remove: ['a/**'] }]);
    // Nor does it wake anybody while the answer to that is on its way.
    desk.wakeAt = null;
    desk.pushes = [];
    expect([passed(desk, 800), desk.wakeAt]).toEqual([[], null]);
  });

  test('is asked for at once by another channel, and wakes nobody while there is none', () => {
    const desk = waiting();
    desk.step({ type: 'lost' });
    desk.wakeAt = null;
    expect([passed(desk, 800), desk.wakeAt]).toEqual([[], null]);
    desk.join({ patterns: globs('a'), scope: 's' });
    desk.message('catch_up_complete', { through_seq: 0 });
    expect(desk.pushes.map(({ payload }) => payload)).toEqual([{ add: ['b/**'] }]);
  });

  test('is asked for by a new channel where the refusal names no time', () => {
    const desk = waiting();
    passed(desk, 700);
    expect(desk.rejoins).toBe(0);
    desk.refuse('scope', 'unavailable', { retry_after_ms: 0 });
    expect(desk.rejoins).toBe(1);
  });
});
