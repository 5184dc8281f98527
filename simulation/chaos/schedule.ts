import { Dice } from '../src/dice.ts';
import { type Climate, fairClimate } from './proxy.ts';

/** Something that goes wrong at a time. */
export type Fault = { readonly at: number } & (
  | { readonly does: 'cut' | 'mute' | 'cutAmid'; readonly which: number }
  | { readonly does: 'stall'; readonly which: number; readonly ms: number }
  | { readonly does: 'cutAll' }
  | { readonly does: 'climate'; readonly climate: Climate; readonly ms: number }
  | { readonly does: 'kill'; readonly ms: number }
  | { readonly does: 'freeze' | 'offline'; readonly ms: number }
  | { readonly does: 'bookmark' }
);

const gapMs = 700;

/** What goes wrong under a seed, in the order of time. */
export function scheduleOf(seed: number, lengthMs: number): readonly Fault[] {
  const dice = new Dice(seed);
  const faults: Fault[] = [];
  for (let at = 1000; at < lengthMs; at += dice.below(2 * gapMs)) faults.push(faultAt(at, dice));
  return faults;
}

function faultAt(at: number, dice: Dice): Fault {
  const roll = dice.below(100);
  const which = dice.below(1000);
  const ms = 500 + dice.below(4000);
  if (roll < 14) return { at, does: 'cut', which };
  if (roll < 28) return { at, does: 'cutAmid', which };
  if (roll < 36) return { at, does: 'mute', which };
  if (roll < 48) return { at, does: 'stall', which, ms };
  if (roll < 51) return { at, does: 'cutAll' };
  if (roll < 70) return { at, does: 'climate', climate: climateOf(dice), ms };
  if (roll < 80) return { at, does: 'kill', ms: dice.below(1500) };
  if (roll < 84) return { at, does: 'freeze', ms };
  if (roll < 88) return { at, does: 'offline', ms };
  return { at, does: 'bookmark' };
}

function climateOf(dice: Dice): Climate {
  const roll = dice.below(4);
  if (roll === 0) return { ...fairClimate, latencyMs: 10 + dice.below(300) };
  if (roll === 1) return { ...fairClimate, latencyMs: dice.below(50), jitterMs: dice.below(300) };
  if (roll === 2) return { ...fairClimate, bytesPerSecond: 2000 + dice.below(30_000) };
  return { ...fairClimate, pieceBytes: 1 + dice.below(40), jitterMs: dice.below(3) };
}
