import type { HoldfastError } from '@holdfast/protocol';
import type { Room } from '../room.ts';
import type { Root } from './root.ts';

/** How roots are mounted: the options of the client. */
export type MountOptions = {
  readonly resume: boolean;
  readonly timeoutMs: number | undefined;
};

/** What a mount needs of the world. */
export type MountPorts = {
  readonly room: Room;
  readonly root: Root;
  readonly module: string;
  readonly id: string;
  readonly options: MountOptions;
  /** It is over: refused, or unmounted. */
  readonly ended: () => void;
};

/** Keeps the tree of a mount for the next one. */
export interface Keeper {
  /** The tree is another. */
  advanced(): void;
  /** It is the last for now: why. */
  flush(why: HoldfastError | undefined): void;
}
