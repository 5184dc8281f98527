/** What takes long gives the event loop away now and then. */
export { setImmediate as turn } from 'node:timers/promises';

/** Leaves that are looked at in one turn. */
export const TURN_LEAVES = 5000;
