import { verdictInTime } from '../storage/in-time.ts';
import type { HttpDeps } from './deps.ts';
import { turn } from './turns.ts';

const STALLED_MS = 30_000;
const PIECE_BYTES = 64 * 1024;

/** Where the events of a stream come from. */
export type EventSource = {
  /** The id of the last that the texts so far have told; null: they have not told all yet that comes before it. */
  readonly cursor: string | null;
  /** The next text, perhaps empty; null where there is nothing now. */
  next(): Promise<string | null>;
  /** Calls back once when there is more. */
  wake(run: () => void): void;
  close(): void;
};

type StreamDeps = Pick<HttpDeps, 'clock' | 'closing' | 'onFailure' | 'newId'>;

/** Why whoever asks again is refused. With other rights, or where nobody can be asked what they are, it may be granted. */
const lastWords: ReadonlyMap<string, string> = new Map([
  ['invalid', 'unauthorized'],
  ['archived', 'store_archived'],
]);

type StreamConfig = {
  readonly source: EventSource;
  /** Whether whoever listens still may, `valid`, and whether there is still something to come. */
  readonly verdict: () => Promise<string>;
  readonly recheckMs: number;
  readonly pingMs: number;
};

/**
 * One answer of server-sent events (stores.md §16). It takes from its source only what the reader has room for, tells the
 * cursor in quiet times, and ends when the reader may no longer listen, takes nothing for 30 s, or the server drains.
 */
export class EventStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly #deps: StreamDeps;
  readonly #config: StreamConfig;
  readonly #encoder = new TextEncoder();
  readonly #end = (): void => this.end();
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #timer: unknown = null;
  #wakeUp: () => void = () => undefined;
  #stalledSince: number | null = null;
  #lastPing: number;
  /** The id of the last of which the reader has been sent all that is its; null: of none. */
  #told: string | null;
  #ended = false;

  constructor(deps: StreamDeps, config: StreamConfig) {
    this.#deps = deps;
    this.#config = config;
    this.#lastPing = deps.clock.now();
    this.#told = config.source.cursor;
    this.body = new ReadableStream(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#pull(),
        cancel: () => this.end(),
      },
      { highWaterMark: PIECE_BYTES, size: (piece) => piece?.byteLength ?? 0 },
    );
    deps.closing.addEventListener('abort', this.#end, { once: true });
    this.#arm();
    if (deps.closing.aborted) this.end();
  }

  async #pull(): Promise<void> {
    this.#stalledSince = null;
    try {
      const text = await this.#piece();
      if (text !== '') this.#send(text);
      this.#told = this.#config.source.cursor;
    } catch (error) {
      this.#deps.onFailure(error);
      this.end();
    }
  }

  /** Waits until there is something to say. */
  async #piece(): Promise<string> {
    let text = '';
    while (!this.#ended && text.length < PIECE_BYTES) {
      // oxlint-disable-next-line no-await-in-loop -- in the order of the log
      const next = await this.#config.source.next();
      if (next !== null) {
        text += next;
        // Much was looked at that is not the reader's: others want their turn.
        // oxlint-disable-next-line no-await-in-loop -- the same
        if (next === '') await turn();
        continue;
      }
      if (text !== '') return text;
      // Nothing on its way: what was read is told, or nobody's to hear.
      this.#told = this.#config.source.cursor;
      // oxlint-disable-next-line no-await-in-loop -- until something happens
      await this.#sleep();
    }
    return text;
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeUp = resolve;
      this.#config.source.wake(resolve);
    });
  }

  #send(text: string): void {
    if (this.#ended) return;
    this.#controller?.enqueue(this.#encoder.encode(text));
    this.#lastPing = this.#deps.clock.now();
    if ((this.#controller?.desiredSize ?? 0) <= 0) this.#stalledSince = this.#lastPing;
  }

  #arm(): void {
    const { clock } = this.#deps;
    this.#timer = clock.setTimeout(() => void this.#look(), this.#config.recheckMs);
  }

  async #look(): Promise<void> {
    const { clock } = this.#deps;
    // Who cannot be checked in time is not let go on (stores.md §11.3).
    const verdict = await verdictInTime(clock, this.#config.verdict);
    if (this.#ended) return;
    const now = clock.now();
    if (verdict !== 'valid') {
      const reason = lastWords.get(verdict);
      if (reason !== undefined) this.#send(`event: error\ndata: {"reason":"${reason}"}\n\n`);
      this.end();
    } else if (this.#stalledSince !== null && now - this.#stalledSince >= STALLED_MS) {
      this.end();
    } else {
      if (now - this.#lastPing >= this.#config.pingMs && this.#stalledSince === null) this.#ping();
      this.#arm();
    }
  }

  /** A bare id moves the cursor of a browser without an event (stores.md §16.4). */
  #ping(): void {
    this.#send(this.#told === null ? ': ping\n\n' : `: ping\n\nid: ${this.#told}\n\n`);
  }

  /** Ends it, and lets go of its source. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deps.clock.clearTimeout(this.#timer);
    this.#deps.closing.removeEventListener('abort', this.#end);
    this.#config.source.close();
    this.#wakeUp();
    try {
      this.#controller?.close();
    } catch {
      // The reader has cancelled, which closes it as well.
    }
  }
}
