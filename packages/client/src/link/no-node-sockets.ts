/** In place of `node-sockets.ts` where a bundle is made for browsers: there is nothing to look for. */
export function onNodeSocket(): void {
  // No process to be kept alive.
}

/** Nobody waits. */
export const forgetNodeSocket: () => void = onNodeSocket;
