import type { WatchEvent } from '@holdfast/client';
import type { Op, Seq } from '@holdfast/protocol';
import type { ClientHistory, Problem } from '../../simulation/validators/history.ts';
import { Truth } from '../../simulation/validators/truth.ts';
import { fedOp } from '../load/feed.ts';
import { verdictOf } from './judged.ts';
import { leftWrites, testimonyOf, watchOf } from './testimony.ts';

const SAMPLE = 50;

/** What a client of the feeder was told by its callbacks on `rooms/<n>/**`, and shows at a seq. */
export type Fed = ClientHistory['bookmarks'][number] & {
  readonly rooms: readonly (readonly WatchEvent[])[];
};

/**
 * Holds it against what the feeder told: every op of a room that is watched came once, at its place; and of each fiftieth
 * room all that the validators know.
 */
export function problemsOfFeed({ seq: through, entries, rooms: all }: Fed): Problem[] {
  const ops = Array.from({ length: through }, (_, index) => fedOp(index + 1));
  // The feed goes on: later events are of no ops here.
  const rooms = all.map((events) => upTo(events, through));
  const watches = rooms.flatMap((events, room) => {
    if (room % SAMPLE > 0) return [];
    const watch = watchOf('replica', `rooms/${room}/**`, { from: 0, through });
    return [{ ...watch, isWhole: true, events }];
  });
  const replica = testimonyOf('replica', { watches, bookmarks: [{ seq: through, entries }] });
  const opIds = ops.map(({ clientOpId }) => clientOpId);
  const minimum = { ops: 1000, events: watches.length, bookmarks: 1 };
  const told = [replica, leftWrites('feeder', opIds)()];
  return [...verdictOf(told, new Truth(ops), minimum), ...everyOne(rooms, ops)];
}

function everyOne(rooms: Fed['rooms'], ops: readonly Op[]): Problem[] {
  const due = new Map<string, Op[]>(rooms.map((_, room) => [`rooms/${room}`, []]));
  for (const op of ops) due.get(op.path.slice(0, op.path.indexOf('/items')))?.push(op);
  return rooms.flatMap((events, room) => {
    const wanted = due.get(`rooms/${room}`) ?? [];
    const isAll =
      events.length === wanted.length &&
      events.every(({ seq, path, value }, at) => {
        const op = wanted[at];
        return seq === op?.seq && path === op.path && value === op.value;
      });
    if (isAll) return [];
    const text = `rooms/${room}: ${events.length} events of ${wanted.length} ops, or others`;
    return [{ word: 'reliable', text }];
  });
}

function upTo(events: readonly WatchEvent[], through: Seq): readonly WatchEvent[] {
  return events.filter(({ seq }) => seq !== null && seq <= through);
}
