/** The directory of the built console, for a server to serve at `/`. */
export const directory = new URL('./dist/', import.meta.url);
