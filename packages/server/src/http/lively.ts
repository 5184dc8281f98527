import { Problem } from './errors.ts';

/** How patient a server is with a body. */
export type Patience = {
  /** Between two pieces of it. */
  readonly stallMs: number;
  /** For all of it. */
  readonly totalMs: number;
};

/** Of bodies that are streamed to where they belong, and may be large. */
export const forStreams: Patience = { stallMs: 60_000, totalMs: Infinity };
/** Of bodies that are held in memory until they are complete. */
export const forWhole: Patience = { stallMs: 30_000, totalMs: 120_000 };

/**
 * The pieces of a request's body. It ends with 408 where the sender lets them wait, so that who sends a byte now and then
 * holds nothing for long, and with 400 where the connection broke off: what was half sent never counts as the whole.
 */
export async function* lively(
  body: ReadableStream<Uint8Array> | null,
  { stallMs, totalMs }: Patience,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (body === null) return;
  const reader = body.getReader();
  const until = performance.now() + totalMs;
  try {
    for (;;) {
      const left = Math.min(stallMs, until - performance.now());
      // oxlint-disable-next-line no-await-in-loop -- the sender sets the pace
      const { done, value } = await within(left, reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/** So often it is asked whether a body is still its sender's to send, or its reader's to read. */
const LOOK_MS = 5000;

/**
 * The same pieces, until `whyOver` says why there are to be no more: who is shut out while a body comes would go on for as
 * long as it has bytes (stores.md §11.3). Nothing waits for the answer.
 */
export async function* whileAllowed(
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  whyOver: () => Promise<Problem | null>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let due = performance.now() + LOOK_MS;
  let why: Problem | null = null;
  for await (const piece of pieces) {
    if (why !== null) throw why;
    if (performance.now() >= due) {
      due = Infinity;
      void whyOver().then((known) => {
        why = known;
        due = performance.now() + LOOK_MS;
      });
    }
    yield piece;
  }
}

/** What comes in time; rejects otherwise. */
async function within<T>(ms: number, coming: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Problem(408, 'request_timeout')), Math.max(0, ms));
  });
  try {
    return await Promise.race([coming.catch(brokenOff), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whoever sent it is gone. */
function brokenOff(): never {
  throw new Problem(400, 'invalid_params', { detail: 'The body broke off.' });
}
