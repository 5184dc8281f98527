import { isRefusal } from '@holdfast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Crowd } from './crowd.ts';
import type { Reply } from './desk.ts';

/** Refusals that may come before anybody has looked whether the request is a repeat. */
const blind = new Set(['overloaded', 'unavailable', 'blocked']);

test('S62 S69 P20 P21 C2 however ids are used again, amid rules and storages that answer late, badly or twice, each request is answered once, in order, and truly', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 20, max: 140 }), (seed, steps) => {
      const crowd = new Crowd(seed);
      crowd.run(steps);
      expect(crowd.isDone).toBe(true);
      checkOnce(crowd);
      checkOrder(crowd);
      checkTruth(crowd);
      expect(crowd.problems).toEqual([]);
    }),
    { numRuns: 600 },
  );
});

function checkOnce({ log }: Crowd): void {
  const ids = log.ops.map(({ clientOpId, principal }) => `${clientOpId} of ${principal}`);
  expect(ids).toEqual([...new Set(ids)]);
}

/** Answers of one channel, but for those at the door, come in the order of its requests. */
function checkOrder({ answered, sent }: Crowd): void {
  for (const channel of new Set(sent.map(({ submission }) => submission.channel))) {
    const own = answered.filter((ticket) => sent[ticket - 1]?.submission.channel === channel);
    expect(own).toEqual(own.toSorted((a, b) => a - b));
  }
}

function checkTruth(crowd: Crowd): void {
  for (const sent of crowd.sent) {
    const { answer, sentAt } = sent;
    if (answer === null) continue;
    const { ticket } = sent.submission;
    const seq = crowd.seqOf(sent);
    const at = crowd.committedAt[seq] ?? Infinity;
    const what = `${ticket}: ${JSON.stringify(answer.reply)}, and ${seq} is committed`;
    if (!isRefusal(answer.reply)) {
      const told = seqOf(answer.reply);
      expect(crowd.isAskedBy(sent, told), what).toBe(true);
      expect(crowd.committedAt[told], what).toBeLessThanOrEqual(answer.at);
    } else if (!answer.isAtDoor && seq > 0) {
      // What is committed after it was refused was asked for once more.
      if (at > answer.at) expect(crowd.isAskedLater(sent), what).toBe(true);
      else if (at < answer.at) {
        expect(blind.has(answer.reply.code), what).toBe(true);
        expect(at >= sentAt && crowd.wasCommittedBeside(sent), what).toBe(false);
      }
    }
  }
}

function seqOf(reply: Reply): number {
  return 'store_seq' in reply ? reply.store_seq : 0;
}
