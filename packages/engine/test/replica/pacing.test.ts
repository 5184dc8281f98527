import { expect, test } from 'vitest';
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
