import assert from 'node:assert/strict';
import type { Seq } from '@holdfast/protocol';
import type { Answer, AnswersFound, Storage } from '../port.ts';
import {
  answer,
  batchOf,
  type Case,
  createStore,
  mustStore,
  onStorage,
  onStore,
  op,
  opsAfter,
  reopened,
  start,
} from './subject.ts';

const day = 24 * 3_600_000;
const kept = 100_000;

const id = ({ deviceId, opId }: Answer): { deviceId: string; opId: string } => ({ deviceId, opId });

const ask = (storage: Storage, store: string, asked: Answer[]): Promise<AnswersFound> =>
  storage.answers(store, { ids: asked.map(id), clients: ['device:session'] });

/** Many answers with few ops: each has an id of its own. */
function crowd(seq: Seq, count: number, fields: Partial<Answer> = {}): Answer[] {
  return Array.from({ length: count }, (_, index) =>
    answer(seq, { opId: `crowd:${String(seq)}:${String(index)}`, ...fields }),
  );
}

/** The same ids at every seq, each time of somebody else. */
function shared(seq: Seq): Answer[] {
  return Array.from({ length: kept / 100 }, (_, index) =>
    answer(seq, { opId: `shared:${String(index)}`, principal: `user:${String(seq)}` }),
  );
}

/** The law of `answers`. */
export const dedupeCases: readonly Case[] = [
  {
    name: 'an answer is found by device and id, in its own store, with its fingerprint and reply',
    run: onStorage(async (storage) => {
      const a = (await createStore(storage, 'acme/a')).id;
      const b = (await createStore(storage, 'acme/b')).id;
      const plain = answer(1, { fingerprint: 2 ** 53 - 1 });
      const full = answer(2, {
        opId: 'any id ü\u0000',
        reply: {
          store_seq: 2,
          first_seq: 1,
          results: [{ store_seq: 1 }, { store_seq: 2, token: 2 }],
        },
      });
      await mustStore(storage, a, batchOf(opsAfter(0, 2), { answers: [plain, full] }));
      const foreign = answer(1, { deviceId: 'other' });
      const unknown = answer(3);
      const found = await ask(storage, a, [plain, full, foreign, unknown]);
      assert.deepEqual(found.answers, [plain, full]);
      assert.deepEqual((await ask(storage, b, [plain, full])).answers, []);
    }),
  },
  {
    name: 'an id that several have used has an answer for each of them',
    run: onStore(async (storage, store) => {
      const opId = 'device:session:1';
      const answers = [answer(1, { principal: null }), answer(2, { opId }), answer(3)];
      const ops = [op(1, { principal: null }), op(2), op(3)];
      await mustStore(storage, store, batchOf(ops, { answers }));
      const found = await ask(storage, store, [answer(1)]);
      assert.deepEqual(
        found.answers.toSorted((a, b) => a.seq - b.seq),
        answers.slice(0, 2),
      );
    }),
  },
  {
    name: 'a high is the greatest counter that a client has committed, in whatever order',
    run: onStore(async (storage, store) => {
      const ids = ['device:session:7', 'device:session:3', 'device:other:9', 'bare', 'x:y:z'];
      const answers = ids.map((opId, index) => answer(index + 1, { opId }));
      await mustStore(storage, store, batchOf(opsAfter(0, 5), { answers }));
      await mustStore(
        storage,
        store,
        batchOf([op(6)], { answers: [answer(6, { opId: 'device:session:5' })] }),
      );
      const clients = ['device:session', 'device:other', 'device:third', 'bare', 'x:y'];
      const { highs } = await storage.answers(store, { ids: [], clients });
      assert.deepEqual(
        [...highs],
        [
          ['device:session', 7],
          ['device:other', 9],
        ],
      );
    }),
  },
  {
    name: 'an append that is not stored leaves no answer and raises no high',
    run: onStore(async (storage, store) => {
      const lost = answer(5);
      const result = await storage.append(store, 4, batchOf([op(5)], { answers: [lost] }));
      assert.equal(result.status, 'behind');
      const { answers, highs } = await ask(storage, store, [lost]);
      assert.deepEqual([answers.length, highs.size], [0, 0]);
    }),
  },
  {
    name: 'answers and highs outlive compaction',
    run: onStore(async (storage, store) => {
      const answers = [answer(1), answer(2, { principal: null })];
      await mustStore(storage, store, batchOf(opsAfter(0, 2), { answers }));
      await storage.compact(store, 2, 10);
      const found = await ask(storage, store, answers);
      assert.deepEqual(found.answers, answers);
      assert.equal(found.highs.get('device:session'), 2);
    }),
  },
  {
    name: 'answers and highs outlive a restart',
    reopens: true,
    run: async (subject) => {
      const clock = { at: start };
      const storage = await subject.open(() => clock.at);
      const store = (await createStore(storage, 'acme/app')).id;
      const answers = [answer(1), answer(2)];
      await mustStore(storage, store, batchOf(opsAfter(0, 2), { answers }));
      await storage.close();
      const again = await reopened(subject, clock);
      const found = await ask(again, store, answers);
      await again.close();
      assert.deepEqual(found.answers, answers);
      assert.equal(found.highs.get('device:session'), 2);
    },
  },
  {
    name: 'answers of long ago are kept while there are few',
    run: onStore(async (storage, store, clock) => {
      const old = [answer(1), answer(2)];
      await mustStore(storage, store, batchOf(opsAfter(0, 2), { answers: old }));
      clock.at += 400 * day;
      const late = answer(3, { at: clock.at });
      await mustStore(storage, store, batchOf([op(3)], { answers: [late] }));
      assert.deepEqual((await ask(storage, store, [...old, late])).answers, [...old, late]);
      assert.equal((await storage.open(store))?.dedupeSince, 0);
    }),
  },
  {
    name: 'the last 100 000 answers are kept however old, and every answer for 24 hours however many',
    run: onStore(async (storage, store, clock) => {
      const first = answer(1);
      await mustStore(storage, store, batchOf([op(1)], { answers: [first] }));
      for (let seq = 2; seq <= 101; seq++) {
        // oxlint-disable-next-line no-await-in-loop -- one append follows the other
        await mustStore(storage, store, batchOf([op(seq)], { answers: crowd(seq, kept / 100) }));
      }
      assert.deepEqual(
        (await ask(storage, store, [first])).answers,
        [first],
        'too many, but young',
      );
      clock.at += 2 * day;
      const late = answer(102, { opId: 'late', at: clock.at });
      await mustStore(storage, store, batchOf([op(102)], { answers: [late] }));
      const last = crowd(101, kept / 100);
      const found = await ask(storage, store, [first, late, ...last]);
      assert.deepEqual(
        found.answers,
        [late, ...last],
        'what is old is forgotten from the oldest on',
      );
      assert.equal(found.highs.size, 0, 'a high goes with the last answer of its client');
      assert.equal((await storage.open(store))?.dedupeSince, start + 1);
      assert.deepEqual((await ask(storage, store, crowd(2, 2))).answers, crowd(2, 2).slice(1));
    }),
  },
  {
    name: 'each answer counts and is forgotten by itself, whoever else has used its id',
    run: onStore(async (storage, store, clock) => {
      const first = answer(1);
      await mustStore(storage, store, batchOf([op(1)], { answers: [first] }));
      for (let seq = 2; seq <= 101; seq++) {
        const made = op(seq, { principal: `user:${String(seq)}` });
        // oxlint-disable-next-line no-await-in-loop -- one append follows the other
        await mustStore(storage, store, batchOf([made], { answers: shared(seq) }));
      }
      clock.at += 2 * day;
      const late = answer(102, { opId: 'late', at: clock.at });
      await mustStore(storage, store, batchOf([op(102)], { answers: [late] }));
      assert.deepEqual((await ask(storage, store, [first])).answers, [], 'it is one too many');
      const of = async (index: number): Promise<readonly (string | null | undefined)[]> => {
        const { answers } = await ask(storage, store, shared(2).slice(index, index + 1));
        return answers.map(({ principal }) => principal);
      };
      const users = Array.from({ length: 100 }, (_, index) => `user:${String(101 - index)}`);
      assert.deepEqual(await of(0), users.slice(0, -1), 'the oldest of them has gone alone');
      assert.deepEqual(await of(1), users);
    }),
  },
];
