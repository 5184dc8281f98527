import { promises } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { RealWork } from '../src/real.ts';

/**
 * Has virtual time wait for what servers do with files on their way; gives what ends that. `isLeft`: whether what they
 * remove now stays there, which must be seen.
 */
export function waitForFiles(work: RealWork, isLeft: () => boolean): () => void {
  const { open, rm } = promises;
  const opened: promises.FileHandle[] = [];
  promises.open = (...call) =>
    work.count(
      open.apply(promises, call).then((handle) => {
        opened.push(handle);
        return work.watched(handle);
      }),
    );
  promises.rm = async (...call) => {
    if (!isLeft()) await work.count(rm.apply(promises, call));
  };
  syncBuiltinESMExports();
  return () => {
    Object.assign(promises, { open, rm });
    syncBuiltinESMExports();
    // Servers that have died left them open.
    void Promise.allSettled(opened.map((handle) => handle.close()));
  };
}
