import type { Dice } from '../src/dice.ts';
import type { Agenda } from '../src/agenda.ts';
import type { Mutant } from './mutants.ts';

/** How likely each misfortune is where it can happen, from 0 to 1. */
export type Weather = {
  /** An append or read of the log fails; an append ends with nobody knowing how. */
  readonly failed: number;
  readonly unknown: number;
  /** A write or join is refused for now. */
  readonly limited: number;
  /** A frame of events gets lost, as it cannot on a wire, but could by a mistake. */
  readonly lost: number;
  /** A join is answered by a snapshot though the log would do. */
  readonly snapshot: number;
  /** A hint that the log has grown gets lost. */
  readonly deaf: number;
};

/** More of the same, which not every world has. */
export type Hardship = {
  /** A frame of events comes twice. */
  readonly doubled: number;
  /** A host ends between two effects of a step. */
  readonly died: number;
};

/** What all parts of a world share: time, chance, weather, and whom to tell. */
export type Room = {
  readonly agenda: Agenda;
  readonly dice: Dice;
  /** False once the weather has cleared. */
  happens(misfortune: keyof Weather): boolean;
  /** As `happens`, for what not every world has. */
  strikes?(hardship: keyof Hardship): boolean;
  /** Whether it is spoiled in this way, here and now. */
  isSpoiled?(mutant: Mutant): boolean;
  /** A delay of up to so many milliseconds. */
  delay(ms: number): number;
  /** A line of the transcript. */
  note(who: string, text: string): void;
  problem(word: string, text: string): void;
};

/** Says whether a world is spoiled in some way, here and now. */
export type Spoils = (mutant: Mutant) => boolean;

/** Of a world that may be spoiled; others never are. */
export function spoilsOf(room: Room | null): Spoils {
  return room?.isSpoiled ?? (() => false);
}
