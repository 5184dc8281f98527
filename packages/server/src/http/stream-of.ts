import type { HttpDeps } from './deps.ts';

/** Whoever takes no piece for so long has gone, or holds a state, a file and a connection for nothing. */
const IDLE_MS = 120_000;

/** Ends a stream whose reader is too slow: nothing has failed, and no log needs to hear of it. */
export class IdleReader extends Error {
  constructor() {
    super('The reader takes nothing more.');
    this.name = 'IdleReader';
  }
}

/** Hears why a stream cannot go on, and has it given up by its reader. */
type OnBroken = (error: unknown) => void;

const followable = new WeakMap<ReadableStream<Uint8Array>, (listener: OnBroken) => void>();

/** Has somebody hear why a stream of {@link streamOf} breaks off, instead of its reader; false for other streams. */
export function follow(stream: ReadableStream<Uint8Array>, listener: OnBroken): boolean {
  const set = followable.get(stream);
  set?.(listener);
  return set !== undefined;
}

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** The clock by which readers are waited for, and what is to be done when a stream is over, also where nothing was read. */
type Keeping = {
  readonly clock: HttpDeps['clock'];
  readonly end?: () => void | Promise<void>;
};

/**
 * Makes the next piece when the reader has taken the one before; ends with an error where that takes too long. An empty piece
 * is not sent: it only lets the reader leave while the next one is made.
 */
export function streamOf(
  pieces: Pieces,
  { clock, end = () => undefined }: Keeping,
): ReadableStream<Uint8Array> {
  const iterator =
    Symbol.asyncIterator in pieces ? pieces[Symbol.asyncIterator]() : pieces[Symbol.iterator]();
  let timer: unknown = null;
  let isOver = false;
  let onBroken: OnBroken | null = null;
  const breakOff = (controller: ReadableStreamDefaultController, error: unknown): void => {
    if (onBroken === null) controller.error(error);
    else onBroken(error);
  };
  const giveUp = async (): Promise<void> => {
    isOver = true;
    clock.clearTimeout(timer);
    await iterator.return?.();
    await end();
  };
  const wait = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    timer = clock.setTimeout(() => {
      giveUp().catch(() => undefined);
      breakOff(controller, new IdleReader());
    }, IDLE_MS);
  };
  const next = async (): Promise<IteratorResult<Uint8Array, unknown>> => {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const piece = await iterator.next();
      if (isOver || !isEmpty(piece)) return piece;
    }
  };
  const stream = new ReadableStream<Uint8Array>(
    {
      start: wait,
      pull: async (controller) => {
        clock.clearTimeout(timer);
        try {
          const piece = await next();
          // Whoever left while it was made has been seen off.
          if (isOver) return;
          if (piece.done !== true) {
            wait(controller);
            return controller.enqueue(piece.value);
          }
          controller.close();
        } catch (error) {
          const isLeft = isOver;
          isOver = true;
          if (isLeft) return;
          breakOff(controller, error);
        }
        await end();
      },
      // Not once more where it was given up, and that is what its reader leaves for.
      cancel: () => (isOver ? undefined : giveUp()),
    },
    { highWaterMark: 0 },
  );
  followable.set(stream, (listener) => (onBroken = listener));
  return stream;
}

function isEmpty({ done, value }: IteratorResult<Uint8Array, unknown>): boolean {
  return done !== true && value.byteLength === 0;
}
