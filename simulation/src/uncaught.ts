import type { EventEmitter } from 'node:events';

const kinds = ['uncaughtException', 'unhandledRejection'];

/** Hears of what nobody catches, in place of all who would, such as a platform that ends the process; gives what ends that. */
export function watchUncaught(hear: (text: string) => void): () => void {
  const emitter: EventEmitter = process;
  const heard = (error: unknown): void => hear(textOf(error));
  const ends = kinds.map((kind) => {
    const others = emitter.rawListeners(kind);
    emitter.removeAllListeners(kind);
    emitter.on(kind, heard);
    return () => {
      emitter.off(kind, heard);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as they were added
      for (const other of others) emitter.on(kind, other as typeof heard);
    };
  });
  return () => {
    for (const end of ends) end();
  };
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
