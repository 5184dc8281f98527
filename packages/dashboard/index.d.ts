/** The directory of the built console, for a server to serve at `/`. */
export declare const directory: URL;
