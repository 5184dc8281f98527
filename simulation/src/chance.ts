import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import type { Dice } from './dice.ts';

/** What is drawn in this process, and what is named, repeats from now on, under a seed; gives what ends that. */
export function drawFrom(dice: Dice): () => void {
  const { random } = Math;
  const { randomUUID } = crypto;
  const four = (): string => dice.below(0x10000).toString(16).padStart(4, '0');
  Math.random = () => dice.next();
  crypto.randomUUID = () =>
    `${four()}${four()}-${four()}-4${four().slice(1)}-8${four().slice(1)}-${four()}${four()}${four()}`;
  syncBuiltinESMExports();
  return () => {
    Math.random = random;
    crypto.randomUUID = randomUUID;
    syncBuiltinESMExports();
  };
}
