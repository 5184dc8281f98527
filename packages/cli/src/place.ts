import { realpath, stat } from 'node:fs/promises';

/** Where what is received is to be written. */
export type Place = {
  /** Links are followed: what they lead to is replaced, not the link. */
  readonly file: string;
  /** Whether an ordinary file is there. */
  readonly isThere: boolean;
  /** A device, a pipe, a socket: it is written to, and never replaced by a file. */
  readonly isStream: boolean;
};

/** Looks at what is at a path that the caller named. */
export async function placeAt(path: string): Promise<Place> {
  const found = await stat(path).catch(() => null);
  if (found === null) return { file: path, isThere: false, isStream: false };
  // A directory is refused by the system when it is opened, as a file that it cannot be.
  if (!found.isFile()) return { file: path, isThere: false, isStream: true };
  return { file: await realpath(path), isThere: true, isStream: false };
}
