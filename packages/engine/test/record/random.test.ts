import type { Envelope } from '@holdfast/protocol/record';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { at, Subject } from './subject.ts';

/** What may happen to one record and its way: a number says to which of the envelopes that were ever sent. */
const happening = fc.oneof(
  fc.record({ is: fc.constant('write' as const), which: fc.nat(99) }),
  fc.record({ is: fc.constant('delete' as const), which: fc.nat(99) }),
  fc.record({ is: fc.constant('restart' as const), which: fc.nat(99) }),
  fc.record({ is: fc.constant('deliver' as const), which: fc.nat(99) }),
  fc.record({ is: fc.constant('deliver' as const), which: fc.nat(99) }),
  fc.record({ is: fc.constant('corrupt' as const), which: fc.nat(99) }),
  fc.record({ is: fc.constant('answer' as const), which: fc.nat(99) }),
  fc.record({ is: fc.constant('answerOld' as const), which: fc.nat(99) }),
  fc.record({ is: fc.constant('answerBad' as const), which: fc.nat(99) }),
  fc.record({ is: fc.constant('fail' as const), which: fc.nat(99) }),
  fc.record({ is: fc.constant('reconnect' as const), which: fc.nat(99) }),
  fc.record({ is: fc.constant('wait' as const), which: fc.nat(99) }),
);

/** A server of one record, all that it ever sent, and one who follows it. */
class World {
  readonly item: Subject = new Subject({ asks: 'handshake' }).start();
  readonly sent: Envelope[] = [];
  faults = 1;
  #incarnation = 1;
  #sequence = 0;
  #highest = new Map<string | null, number>();

  now(): Envelope {
    return this.sent.at(-1) ?? this.write();
  }

  write(over: object = {}): Envelope {
    this.#sequence += 1;
    const envelope = at(this.#sequence, { incarnation: `e${this.#incarnation}`, ...over });
    this.sent.push(envelope);
    return envelope;
  }

  async step({ is, which }: { readonly is: string; readonly which: number }): Promise<void> {
    const old = this.sent[which % Math.max(1, this.sent.length)] ?? this.now();
    const { item } = this;
    if (is === 'write') this.write();
    else if (is === 'delete') this.write({ value: null, deleted: true });
    else if (is === 'restart') {
      this.#incarnation += 1;
      this.#sequence = 0;
      this.write();
    } else if (is === 'deliver') item.receive(old);
    else if (is === 'wait') await item.wait(which * 10);
    else if (is === 'reconnect') item.tell({ type: 'reconnected' });
    else if (is === 'corrupt') item.receive({ ...old, value: { n: 'x' } }, null);
    else this.answer(is, old);
    // Only what goes wrong may cause requests: receipts of another incarnation are one kind of it.
    if (!['write', 'delete', 'wait'].includes(is)) this.faults += 1;
  }

  answer(is: string, old: Envelope): void {
    const { item } = this;
    if (is === 'fail') item.failed();
    else if (is === 'answerBad') item.fetched({ ...this.now(), value: { n: 'x' } });
    else {
      // Whoever is asked answers late at most, and never for an authority that is no more.
      const isLate = is === 'answerOld' && old.incarnation === this.now().incarnation;
      item.fetched(isLate ? old : this.now());
    }
  }

  /** Within an incarnation nothing goes back; the value is that of its sequence. */
  check(): void {
    const { server } = this.item.reconciler;
    if (server === null) return;
    const highest = this.#highest.get(server.incarnation) ?? 0;
    expect(server.sequence).toBeGreaterThanOrEqual(highest);
    this.#highest.set(server.incarnation, server.sequence);
    if (server.value !== undefined) expect(this.item.value).toBe(server.sequence);
  }

  /** Everything works again, and what is there is asked for once more. */
  async heal(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      this.item.tell({ type: 'reconnected' });
      await this.item.idle(() => this.now());
    }
  }
}

const runs = Number(process.env['HOLDFAST_RUNS'] ?? 300);

test('R259 whatever the way does to envelopes, nothing goes back, and in the end what is shown is what there is', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { maxLength: 60 }), async (happenings) => {
      const world = new World();
      world.write();
      for (const each of happenings) {
        await world.step(each);
        world.check();
      }
      expect(world.item.requests.length).toBeLessThanOrEqual(2 + 6 * world.faults);
      await world.heal();
      const now = world.now();
      const { server } = world.item.reconciler;
      expect(server?.sequence).toBe(now.sequence);
      expect(server?.incarnation).toBe(now.incarnation);
      expect(world.item.status).toBe(now.deleted === true ? 'gone' : 'ok');
      world.item.tell({ type: 'close' });
      const { shown } = world.item;
      world.item.receive(now);
      expect(world.item.shown).toBe(shown);
      expect(world.item.reconciler.isIdle).toBe(true);
    }),
    { numRuns: runs },
  );
});
