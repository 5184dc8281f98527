import { strangerToken } from '../place.ts';
import { clientEvents, serverEvents } from '@holdfast/protocol';
import type { Dice } from '../src/dice.ts';
import { anyPath, anyValue, fromMembers } from './values.ts';

/** A frame before it is encoded, whatever it may hold. */
export type Tuple = readonly unknown[];

type Fields = { readonly [field: string]: unknown };

/** Who fuzzes: what it needs to make frames that are nearly right. */
export type Forge = {
  readonly dice: Dice;
  readonly topic: string;
  /** The ref of the last join; null before the first. */
  readonly joinRef: string | null;
  nextRef(): string;
};

const topics = [
  'store:acme/none',
  'store:acme',
  'store:',
  'store:other/app',
  'store:../app',
  'view:x',
  'presence:acme/app',
  'phoenix',
  '',
  'store:00000000-0000-4000-8000-000000000000',
];

const tokens = [strangerToken, strangerToken, 'x', 7];

/** A frame: mostly one that makes sense, often bent. */
export function anyTuple(forge: Forge): Tuple {
  const { dice } = forge;
  const tuple = saneTuple(forge);
  if (dice.chance(0.45)) return tuple;
  return bent(tuple, forge);
}

function saneTuple(forge: Forge): Tuple {
  const { dice, topic, joinRef } = forge;
  const ref = forge.nextRef();
  const roll = dice.below(100);
  if (roll < 3) return [ref, ref, topic, 'phx_join', joinPayload(dice)];
  if (roll < 4) return [joinRef, ref, topic, 'phx_leave', {}];
  if (roll < 6) return [null, ref, 'phoenix', 'heartbeat', {}];
  if (roll < 8) return [null, ref, 'phoenix', 'access_token', { token: dice.pick(tokens) }];
  if (roll < 11) return [null, ref, dice.pick(topics), dice.pick(clientEvents), {}];
  const [event, payload] = push(dice);
  return [dice.chance(0.5) ? joinRef : null, ref, topic, event, payload];
}

/** The payload of a join, most of the time a valid one. */
export function joinPayload(dice: Dice): Fields {
  return {
    last_store_seq: dice.pick([0, 0, 0, 1, 1e9, -1, 'x', 1.5]),
    ...(dice.chance(0.2) && { patterns: dice.pick([[], ['**'], ['a/**'], ['**/a'], [7], 'x']) }),
    ...(dice.chance(0.2) && { incarnation: dice.pick([null, 'other', 7, 'x'.repeat(100)]) }),
    ...(dice.chance(0.2) && { scope: dice.pick(['all', 'none', 7]) }),
    ...(dice.chance(0.2) && { snapshot: dice.pick([null, { id: 'x', next: 3 }, { id: 1 }, 'x']) }),
  };
}

function push(dice: Dice): readonly [string, Fields] {
  const roll = dice.below(100);
  const client_op_id = anyOpId(dice);
  if (roll < 60) return ['write', { ...write(dice), client_op_id }];
  if (roll < 78) return ['transact', { ...transaction(dice), client_op_id }];
  if (roll < 82) return ['op_status', { client_op_id }];
  if (roll < 86) return ['status', {}];
  if (roll < 89) return ['ack_seq', { seq: dice.pick([0, 5, -1, 'x', 1e12]) }];
  if (roll < 92) return ['rollback', { path: anyPath(dice), to_seq: dice.below(9), client_op_id }];
  if (roll < 95) {
    return [
      'put_file',
      { path: anyPath(dice), content: dice.pick(['AAEC', '!', 7]), client_op_id },
    ];
  }
  if (roll < 97) return ['scope', { add: dice.pick([['a/*'], 7, ['**/x']]), remove: [] }];
  return [dice.pick([...clientEvents, ...serverEvents, 'x']), { value: anyValue(dice) }];
}

function anyOpId(dice: Dice): unknown {
  if (dice.chance(0.05)) return dice.pick(['', 'x'.repeat(2000), null, 7, 'a#1', 'a:b:1', 'a:b:x']);
  return `fuzz-${dice.below(2 ** 31)}`;
}

const leaseArgs = (dice: Dice): Fields => ({
  ttl_ms: dice.pick([1, 50, 1000, 0, -1, 'x', 1e12]),
  holder: dice.pick([null, 'me', 7, 'x'.repeat(300)]),
  token: dice.pick([1, 2, 3, 'x', -1]),
});

const opNames = 'set set set merge merge delete increment add remove lease renew release x'.split(
  ' ',
);

function write(dice: Dice): Fields {
  const op = dice.pick(opNames);
  const path = anyPath(dice);
  return {
    op,
    ...(dice.chance(0.9) ? { path } : { path_segments: dice.pick([['fuzz', 'a'], [], [7], 'x']) }),
    ...(op === 'delete' || op === 'release' ? {} : { value: valueFor(op, dice) }),
    ...(op === 'lease' || op === 'renew' || op === 'release' ? leaseArgs(dice) : {}),
    ...guards(dice),
  };
}

function valueFor(op: string, dice: Dice): unknown {
  if (op === 'increment' && dice.chance(0.7)) return dice.pick([1, -1, 0.5, 2 ** 53]);
  if (op === 'merge' && dice.chance(0.7)) return fromMembers([['a', anyValue(dice)]]);
  return anyValue(dice);
}

function guards(dice: Dice): Fields {
  return {
    ...(dice.chance(0.1) && { if_match: dice.pick([0, 1, 5, -1, 'x', null]) }),
    ...(dice.chance(0.1) && { if_absent: dice.pick([true, false, 'x']) }),
    ...(dice.chance(0.05) && { fence: dice.pick([{ key: 'fuzz/a', token: 1 }, 7, { key: '' }]) }),
  };
}

function transaction(dice: Dice): Fields {
  const count = dice.pick([0, 1, 2, 3, 5, 5, 1200]);
  // A long one is refused for its length, so that all of it may be the same.
  const same = { op: 'set', path: 'fuzz/a', value: count };
  const ops = Array.from({ length: count }, () => (count > 10 ? same : write(dice)));
  const precondition = dice.pick([
    { path: 'fuzz/a', if_match: 1 },
    { path: 'fuzz/a', if_absent: true },
    { path: 'fuzz/a', exists: true },
    { path: 'fuzz/a', equals: anyValue(dice) },
    { path: anyPath(dice) },
    { fence: { key: 'fuzz/a', token: 1 } },
    7,
  ]);
  return { ops, ...(dice.chance(0.4) && { preconditions: [precondition] }) };
}

/** A frame with something about it changed. */
function bent(tuple: Tuple, { dice, nextRef }: Forge): Tuple {
  const place = dice.below(5);
  const roll = dice.below(10);
  if (roll === 0) return tuple.toSpliced(place, 1);
  if (roll === 1) return [...tuple, anyValue(dice)];
  if (roll === 2) return tuple.with(place, anyValue(dice));
  if (roll === 3) return tuple.with(0, dice.pick(['0', 'old', nextRef()]));
  if (roll === 4) return tuple.with(1, dice.pick([null, null, 7, {}]));
  const payload = tuple[4];
  if (typeof payload !== 'object' || payload === null) return tuple.with(4, anyValue(dice));
  return tuple.with(4, bentPayload(payload, dice));
}

function bentPayload(payload: object, dice: Dice): unknown {
  const members = Object.entries(payload);
  const place = dice.below(members.length + 1);
  const [name = 'extra'] = members[place] ?? [];
  const roll = dice.below(10);
  if (roll < 3) return fromMembers(members.toSpliced(place, 1));
  if (roll < 9) return fromMembers([...members, [name, anyValue(dice)]]);
  return anyValue(dice);
}
