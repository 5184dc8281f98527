import type { Device } from './device.ts';
import type { Dice } from './dice.ts';
import type { DiskFaults } from './disk.ts';
import type { Site } from './site.ts';

/** Something that goes wrong in a world. */
export type Fault =
  | {
      readonly does: 'cut' | 'cutAmid' | 'mute' | 'revoke' | 'crash' | 'forget';
      readonly who: number;
    }
  | {
      readonly does: 'slow' | 'sleep' | 'partition' | 'jump' | 'leap';
      readonly who: number;
      readonly ms: number;
    }
  | {
      readonly does: 'crashServer' | 'jumpServer' | 'leapServer' | 'closeServer';
      readonly ms: number;
    }
  | {
      readonly does: 'failDisk';
      readonly ms: number;
      readonly failed: number;
      readonly unknown: number;
    }
  | { readonly does: 'compact' | 'compactAmid' };

/** A fault and when it happens, in milliseconds since the world began. */
export type TimedFault = Fault & { readonly at: number };

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** How far a clock may be off that nobody has ever set, or that is set right. */
const leapsMs = [hourMs, dayMs, 40 * dayMs, 366 * dayMs].flatMap((ms) => [ms, -ms]);

/** The names of all faults. */
export const faultKinds: readonly Fault['does'][] = [
  'cut',
  'cutAmid',
  'mute',
  'revoke',
  'crash',
  'forget',
  'slow',
  'sleep',
  'partition',
  'jump',
  'crashServer',
  'jumpServer',
  'failDisk',
  'compact',
  // Last, so that it moves none of the others.
  'closeServer',
  'compactAmid',
  'leap',
  'leapServer',
];

/** The faults of a world: how many of each are to be expected in a minute. */
export type FaultRates = { readonly [kind in Fault['does']]?: number };

/** All that can go wrong without an application's help: its processes live on. */
export const badWeather: FaultRates = {
  cut: 12,
  cutAmid: 6,
  mute: 4,
  revoke: 2,
  slow: 6,
  sleep: 4,
  partition: 4,
  jump: 2,
  crashServer: 8,
  jumpServer: 2,
  failDisk: 6,
  compact: 3,
};

/** What goes wrong within so many milliseconds. */
export function scheduleOf(dice: Dice, rates: FaultRates, lengthMs: number): readonly TimedFault[] {
  const faults = faultKinds.flatMap((does) => {
    const expected = ((rates[does] ?? 0) * lengthMs) / 60_000;
    const count = Math.floor(expected) + (dice.chance(expected % 1) ? 1 : 0);
    return Array.from({ length: count }, () => ({
      at: dice.below(lengthMs),
      ...makers[does](dice, dice.below(1000)),
    }));
  });
  return faults.toSorted((a, b) => a.at - b.at);
}

type Maker = (dice: Dice, who: number) => Fault;

const makers: { readonly [does in Fault['does']]: Maker } = {
  cut: (_dice, who) => ({ does: 'cut', who }),
  cutAmid: (_dice, who) => ({ does: 'cutAmid', who }),
  mute: (_dice, who) => ({ does: 'mute', who }),
  revoke: (_dice, who) => ({ does: 'revoke', who }),
  crash: (_dice, who) => ({ does: 'crash', who }),
  forget: (_dice, who) => ({ does: 'forget', who }),
  slow: (dice, who) => ({ does: 'slow', who, ms: dice.pick([0, 5, 50, 500]) }),
  sleep: (dice, who) => ({ does: 'sleep', who, ms: dice.below(10_000) }),
  partition: (dice, who) => ({ does: 'partition', who, ms: dice.below(10_000) }),
  jump: (dice, who) => ({ does: 'jump', who, ms: dice.below(2 * hourMs) - hourMs }),
  jumpServer: (dice) => ({ does: 'jumpServer', ms: dice.below(2 * hourMs) - hourMs }),
  leap: (dice, who) => ({ does: 'leap', who, ms: dice.pick(leapsMs) }),
  leapServer: (dice) => ({ does: 'leapServer', ms: dice.pick(leapsMs) }),
  crashServer: (dice) => ({ does: 'crashServer', ms: dice.below(2000) }),
  failDisk: (dice) => ({
    does: 'failDisk',
    ms: dice.below(4000),
    failed: dice.next() / 2,
    unknown: dice.next() / 2,
  }),
  compact: () => ({ does: 'compact' }),
  compactAmid: () => ({ does: 'compactAmid' }),
  closeServer: (dice) => ({ does: 'closeServer', ms: dice.below(2000) }),
};

type DeviceFault = Extract<Fault, { readonly who: number }>;
type ServerFault = Exclude<Fault, DeviceFault>;

/** What faults happen to. */
export type Stage = {
  readonly devices: readonly Device[];
  readonly site: Site;
  /** What the disk does wrong now. */
  disk: DiskFaults;
  crash(name: string, how: { readonly keepsCache: boolean }): unknown;
  compact(): void;
  compactAmid(): void;
  later(ms: number, run: () => void): void;
};

/** Lets a fault happen. */
export function strike(world: Stage, fault: Fault): void {
  if (!('who' in fault)) {
    strikeServer(world, fault);
    return;
  }
  const { devices } = world;
  const device = devices[fault.who % Math.max(1, devices.length)];
  if (device !== undefined) strikeDevice(world, device, fault);
}

function strikeDevice(world: Stage, device: Device, fault: DeviceFault): void {
  if (!('ms' in fault)) {
    if (fault.does !== 'crash' && fault.does !== 'forget') device[fault.does]();
    else world.crash(device.name, { keepsCache: fault.does === 'crash' });
  } else if (fault.does === 'partition') {
    device.cutOff(true);
    world.later(fault.ms, () => device.cutOff(false));
  } else {
    device[fault.does === 'leap' ? 'jump' : fault.does](fault.ms);
  }
}

function strikeServer(world: Stage, fault: ServerFault): void {
  switch (fault.does) {
    case 'crashServer':
      world.site.crash(fault.ms);
      return;
    case 'closeServer':
      world.site.shut(fault.ms);
      return;
    case 'jumpServer':
    case 'leapServer':
      world.site.jump(fault.ms);
      return;
    case 'failDisk':
      world.disk = { failed: fault.failed, unknown: fault.unknown };
      world.later(fault.ms, () => (world.disk = { failed: 0, unknown: 0 }));
      return;
    case 'compactAmid':
      world.compactAmid();
      return;
    case 'compact':
      world.compact();
  }
}
