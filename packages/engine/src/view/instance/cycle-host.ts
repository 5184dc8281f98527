import type { UploadOp } from '@holdfast/protocol/views';
import type { Audience } from './audience.ts';
import type { Layer } from './layer.ts';
import type { ViewNode } from './node.ts';
import type { RenderFailure } from './render-failure.ts';
import type { Message } from './scope.ts';
import type { Watch } from './watch.ts';
import type { World } from './world.ts';

/** A command whose work is done and not yet rendered. */
export type Commit = {
  readonly layer: Layer;
  /** It is committed; what it did is in this version. */
  readonly done: (version: number) => void;
  readonly failed: (error: RenderFailure) => void;
  /** Its cycle is over: the next task may run. */
  readonly rested: () => void;
};

/** What the cycles ask of the rest of the instance. */
export type CycleHost = {
  readonly world: World;
  readonly audience: Audience;
  readonly rateMs: number;
  readonly holdMs: number;
  /** Runs the function inside the instance, now or when what runs there is done. */
  readonly enter: (run: () => void) => void;
  /** What tasks see has changed below them. */
  readonly rebase: (top: Layer | null) => void;
  readonly mounted: () => void;
  readonly failed: (error: RenderFailure) => void;
  readonly ended: (nodes: readonly ViewNode[]) => void;
  readonly deliver: (messages: readonly Message[]) => void;
  /** The configs of the uploads of a node. */
  readonly configs: (node: ViewNode) => readonly UploadOp[];
  /** Reads for a watch again, and does what follows from it. */
  readonly checkWatch: (watch: Watch) => void;
};
