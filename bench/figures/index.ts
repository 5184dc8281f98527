import type { Figure } from '../figure.ts';
import { commit } from './commit.ts';

/** Every figure, in the order in which they are measured. */
export const figures: readonly Figure[] = [commit];
