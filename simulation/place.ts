/** The token that the servers of the tests take. */
export const token = 'dev';
/** The store that they serve. */
export const storeName = 'acme/app';
