import { finder } from '../records/finder.ts';
import * as evaluate from '../records/evaluate.ts';
import { hydrators } from '../twins.ts';
import { hydrate } from './hydrate.ts';

export { dehydrate } from './dehydrate.ts';
export { hydrate };

// A page that has this imported draws collections at once, and its provider takes `state` (registry.md §10.1).
finder.loaded = evaluate;
hydrators.hydrate = hydrate;
