import type { Agenda } from './agenda.ts';
import type { Dice } from './dice.ts';
import type { RealWork } from './real.ts';

/** What all parts of a simulated world share: time, chance, and whom to tell. */
export type Room = {
  readonly agenda: Agenda;
  readonly dice: Dice;
  /** What virtual time waits for. */
  readonly work: RealWork;
  /** How long a token lasts that is given out now. */
  tokenMs(): number;
  /** A delay of up to so many milliseconds. */
  delay(ms: number): number;
  /** A line of the transcript. */
  note(who: string, text: string): void;
  /** Something that must not happen. */
  problem(text: string): void;
};

/** The wall clock when a world begins. */
export const wallStart = 1_700_000_000_000;
