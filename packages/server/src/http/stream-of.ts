import type { HttpDeps } from './deps.ts';

/** Whoever takes no piece for so long has gone, or holds a state, a file and a connection for nothing. */
const IDLE_MS = 120_000;

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** The clock by which readers are waited for, and what is to be done when a stream is over, also where nothing was read. */
type Keeping = {
  readonly clock: HttpDeps['clock'];
  readonly end?: () => void | Promise<void>;
};

/** Makes the next piece when the reader has taken the one before; ends with an error where that takes too long. */
export function streamOf(
  pieces: Pieces,
  { clock, end = () => undefined }: Keeping,
): ReadableStream<Uint8Array> {
  const iterator =
    Symbol.asyncIterator in pieces ? pieces[Symbol.asyncIterator]() : pieces[Symbol.iterator]();
  let timer: unknown = null;
  let isOver = false;
  const giveUp = async (): Promise<void> => {
    isOver = true;
    clock.clearTimeout(timer);
    await iterator.return?.();
    await end();
  };
  const wait = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    timer = clock.setTimeout(() => {
      controller.error(new Error('The reader takes nothing more.'));
      giveUp().catch(() => undefined);
    }, IDLE_MS);
  };
  return new ReadableStream(
    {
      start: wait,
      pull: async (controller) => {
        clock.clearTimeout(timer);
        try {
          const piece = await iterator.next();
          // Whoever left while it was made has been seen off.
          if (isOver) return;
          if (piece.done !== true) {
            wait(controller);
            return controller.enqueue(piece.value);
          }
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        await end();
      },
      cancel: giveUp,
    },
    { highWaterMark: 0 },
  );
}
