/** The token that the servers of the tests take. */
export const token = 'dev';

/** The token of whoever sends them anything: it reads all and writes in `fuzz` and `probe`. */
export const strangerToken = 'fuzz';
/** The store that they serve. */
export const storeName = 'acme/app';
