import { apply, type Tree } from '@holdfast/engine/data';
import type { LoggedOp } from '@holdfast/engine/authority';

/** Applies an op to what somebody knows who is told what it does, and not who did it, nor when. */
export function applyTold(tree: Tree, told: Pick<LoggedOp, 'op' | 'path' | 'value' | 'seq'>): void {
  apply(tree, { ...untold, ...told });
}

const untold = {
  arg: null,
  deviceId: '',
  clientOpId: '',
  tx: null,
  at: 0,
  principal: null,
} as const;
