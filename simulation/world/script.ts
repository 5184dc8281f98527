import { asPath, type Json, type Request, type Write } from '@holdfast/protocol';
import { Dice } from '../src/dice.ts';
import { guardedBy, guardedPrefix } from '../validators/leases.ts';

/** Something that a person, a machine or the world does; the rest follows. */
export type Action = { readonly at: number } & (
  | {
      readonly does: 'ask';
      readonly who: number;
      readonly request: Request;
      /** Guarded by the revision that is shown then. */
      readonly isGuarded: boolean;
    }
  | { readonly does: 'cut' | 'mute' | 'kill' | 'cancel' | 'bookmark'; readonly who: number }
  | { readonly does: 'slow' | 'partition' | 'jump'; readonly who: number; readonly ms: number }
  | { readonly does: 'forget'; readonly who: number }
  | Leasing
  | { readonly does: 'set clock'; readonly host: number; readonly ms: number }
  | {
      readonly does: 'network';
      readonly who: number;
      readonly hint: 'online' | 'offline' | 'woke';
    }
  | { readonly does: 'crash'; readonly host: number }
  | Pretence
  | { readonly does: 'become'; readonly who: number }
  | { readonly does: 'bar'; readonly who: number; readonly ms: number }
);

export type Scene = {
  readonly devices: number;
  readonly hosts: number;
  readonly shared: boolean;
  /** A rule is asked about some writes, and takes its time. */
  readonly asks: boolean;
  /** Others name the devices of these, and use their ids. */
  readonly strangers: boolean;
  /** Some lose the right to write for a while. */
  readonly bars: boolean;
  /** Whoever writes takes back more than elsewhere. */
  readonly regrets: boolean;
};

const lengthMs = 20_000;

/** What there is and who: one server or two nodes, three or four devices. */
export function sceneOf(seed: number): Scene {
  const dice = new Dice(seed ^ 0x5ce3e);
  const hosts = dice.chance(0.35) ? 2 : 1;
  // Of dice of their own: what else a seed does stays as it is.
  const more = new Dice(seed ^ 0xa5ced);
  // One host knows nothing of what waits for a rule at another, so that what it says of a repeat would not be kept there.
  const asks = more.chance(0.6) && hosts === 1;
  const strangers = more.chance(0.3);
  const bars = more.chance(0.2);
  const regrets = more.chance(0.2);
  const devices = 3 + dice.below(2);
  return { devices, hosts, shared: hosts > 1, asks, strangers, bars, regrets };
}

/** What is done under a seed. */
export function scriptOf(
  seed: number,
  { devices, hosts, strangers, bars, regrets }: Scene,
): readonly Action[] {
  const dice = new Dice(seed);
  const count = 60 + dice.below(120);
  // Some worlds are in a hurry, so that much happens at once.
  const length = dice.pick([lengthMs / 10, lengthMs / 2, lengthMs]);
  const actions = Array.from({ length: count }, () =>
    actionOf(dice, { at: dice.below(length), who: dice.below(devices), host: dice.below(hosts) }),
  );
  const theirs = strangers
    ? strangersOf(new Dice(seed ^ 0x57a46e), { devices, hosts, length })
    : [];
  const barred = bars ? barsOf(new Dice(seed ^ 0xba55), { devices, length }) : [];
  const takenBack = regrets ? regretsOf(new Dice(seed ^ 0x4e64e7), { devices, length }) : [];
  return [...actions, ...theirs, ...barred, ...takenBack].toSorted((a, b) => a.at - b.at);
}

type Extent = { readonly devices: number; readonly length: number };

function regretsOf(dice: Dice, { devices, length }: Extent): readonly Action[] {
  return Array.from({ length: 10 + dice.below(20) }, () => ({
    at: dice.below(length),
    who: dice.below(devices),
    does: 'cancel',
  }));
}

/** The rights of some are taken for a while, and given back. */
function barsOf(dice: Dice, { devices, length }: Extent): readonly Action[] {
  return Array.from({ length: 4 + dice.below(12) }, () => ({
    at: dice.below(length),
    who: dice.below(devices),
    does: 'bar',
    ms: 20 + dice.below(800),
  }));
}

/** Somebody else uses an id of a device for what is written nowhere else, and whoever sits there gets a token of another name. */
function strangersOf(
  dice: Dice,
  { devices, hosts, length }: { devices: number; hosts: number; length: number },
): readonly Action[] {
  return Array.from({ length: 10 + dice.below(20) }, () => {
    const place = { at: dice.below(length), who: dice.below(devices), host: dice.below(hosts) };
    if (dice.chance(0.15)) return { at: place.at, who: place.who, does: 'become' };
    const path = asPath(`theirs/${dice.below(3)}`);
    const request = dice.pick<Write>([
      { op: 'set', path, value: dice.below(3) },
      { op: 'increment', path: asPath('theirs/n'), value: 1 },
      { op: 'delete', path },
    ]);
    return {
      ...place,
      does: 'pretend',
      ahead: dice.below(6) - 3,
      isBlind: dice.chance(0.5),
      request,
    };
  });
}

const leasings = ['lease', 'lease', 'renew', 'release', 'fenced', 'fenced'] as const;
const hourMs = 3_600_000;
const hints = ['online', 'offline', 'woke'] as const;

type Place = { readonly at: number; readonly who: number; readonly host: number };

type Maker = (dice: Dice, place: Place) => Action;

/** What is done, and how often in a hundred. */
const makers: readonly (readonly [number, Maker])[] = [
  [62, (dice, { at, who }) => ({ at, who, does: 'ask', ...requestOf(dice) })],
  [10, (dice, { at, who }) => ({ at, who, does: dice.pick(leasings), ms: 1 + dice.below(3000) })],
  [6, (_dice, { at, who }) => ({ at, who, does: 'cut' })],
  [2, (_dice, { at, who }) => ({ at, who, does: 'mute' })],
  [3, (dice, { at, who }) => ({ at, who, does: dice.chance(0.25) ? 'forget' : 'kill' })],
  [1, (_dice, { at, who }) => ({ at, who, does: 'cancel' })],
  [6, (_dice, { at, who }) => ({ at, who, does: 'bookmark' })],
  [3, (dice, { at, who }) => ({ at, who, does: 'slow', ms: dice.pick([0, 0, 30, 200]) })],
  [3, (dice, { at, who }) => ({ at, who, does: 'network', hint: dice.pick(hints) })],
  [1, (dice, { at, who }) => ({ at, who, does: 'partition', ms: dice.below(5000) })],
  [1, (dice, place) => clockOf(dice, place)],
  [2, (_dice, { at, host }) => ({ at, host, does: 'crash' })],
];

function actionOf(dice: Dice, place: Place): Action {
  let roll = dice.below(100);
  for (const [share, make] of makers) {
    if (roll < share) return make(dice, place);
    roll -= share;
  }
  throw new RangeError('the shares are less than a hundred');
}

function clockOf(dice: Dice, { at, who, host }: Place): Action {
  const ms = dice.below(2 * hourMs) - hourMs;
  return dice.chance(0.5) ? { at, who, does: 'jump', ms } : { at, host, does: 'set clock', ms };
}

function requestOf(dice: Dice): { readonly request: Request; readonly isGuarded: boolean } {
  const roll = dice.below(10);
  if (roll < 2) {
    const ops = [writeOf(dice), writeOf(dice), writeOf(dice)].slice(0, 2 + dice.below(2));
    return { request: { op: 'transact', ops, preconditions: [] }, isGuarded: false };
  }
  return { request: writeOf(dice), isGuarded: roll === 2 };
}

const treePaths = ['t', 't/a', 't/b', 't/a/x', 't/a/y', 't/b/z', 's', 's/q'].map(asPath);

function writeOf(dice: Dice): Write {
  const value = dice.below(1000);
  const leaf = asPath(`n/${dice.pick(['a', 'b', 'c'])}`);
  const path = dice.pick(treePaths);
  switch (dice.below(9)) {
    case 0:
    case 1:
      return { op: 'increment', path: leaf, value: 1 + dice.below(3) };
    case 2:
      return { op: 'set', path: leaf, value };
    case 3:
      return { op: 'delete', path: dice.pick([leaf, path]) };
    case 4:
      return { op: 'set', path, value };
    case 5:
      return { op: 'set', path, value: treeOf(dice, value) };
    case 6:
      return {
        op: 'merge',
        path,
        value: { [dice.pick(['a', 'b', 'q'])]: dice.pick<Json>([value, { x: value }]) },
      };
    case 7:
      return {
        op: dice.pick(['add', 'remove'] as const),
        path: asPath('tags'),
        value: dice.below(4),
      };
    default:
      return { op: 'set', path, value, ifAbsent: true };
  }
}

function treeOf(dice: Dice, value: number): Json {
  return dice.pick<Json>([
    { a: value },
    { a: { x: value, y: 1 }, b: value },
    { b: { z: value } },
    {},
    [value],
  ]);
}

/** An action in a line. */
export function actionText(action: Action): string {
  const { at, does, ...rest } = action;
  return `${at} ms: ${does} ${JSON.stringify(rest)}`;
}

/** Somebody else asks for something under an id of a device. */
export type Pretence = {
  readonly does: 'pretend';
  readonly who: number;
  readonly host: number;
  /** How far the id is from the last of that device. */
  readonly ahead: number;
  /** Who asks may read nothing. */
  readonly isBlind: boolean;
  readonly request: Write;
};

type Leasing = {
  readonly does: 'lease' | 'renew' | 'release' | 'fenced';
  readonly who: number;
  readonly ms: number;
};

/** Whether an action has to do with the one lease that all want. */
export function isLeasing(action: Action): action is Action & Leasing {
  return leasings.some((does) => does === action.does);
}

/** The request for an action on the lease, by who holds, or held, it with a token. */
export function leasing(does: Leasing['does'], token: number, ttlMs: number): Request {
  const path = asPath(guardedBy);
  switch (does) {
    case 'lease':
      return { op: 'lease', path, ttlMs, holder: null };
    case 'renew':
      return { op: 'renew', path, token, ttlMs };
    case 'release':
      return { op: 'release', path, token };
    case 'fenced':
      return {
        op: 'set',
        path: asPath(`${guardedPrefix}${ttlMs % 3}`),
        value: token,
        fence: { key: path, token },
      };
  }
}
