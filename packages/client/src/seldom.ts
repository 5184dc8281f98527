// What few pages ask for, and none at once: one part of the bundle, for each part more costs what is loaded with the page.
export { whenOpen } from './connect.ts';
export { acquire, leaseOf } from './lease.ts';
export { once } from './once.ts';
export { ask } from './questions.ts';
