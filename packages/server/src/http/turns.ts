/** What takes long gives the event loop away now and then. */
export { inParts, turn } from '../storage/turn.ts';

/** Leaves that are looked at in one turn. */
export const TURN_LEAVES = 5000;
