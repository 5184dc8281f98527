import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Collects what nobody holds any more, so that a test can see what is left. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the flag makes
export const collect = runInNewContext('gc') as () => void;
