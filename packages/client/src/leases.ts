// What one of all clients does at a time, in one part of the bundle: each part more costs what is loaded with the page.
export { acquire, leaseOf } from './lease.ts';
export { once } from './once.ts';
