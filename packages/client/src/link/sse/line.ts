import { backoffMs } from '@holdfast/engine/record';
import { HoldfastError } from '@holdfast/protocol';
import type { HandshakeAnswer } from '@holdfast/protocol/record';
import { type Ask, readStream, RefusedKey } from './stream.ts';
import type { Topic } from './topic.ts';

/** What a line needs of its transport. */
export type LineRoom = {
  readonly ask: Ask;
  readonly env: {
    setTimeout(fn: () => void, ms: number): unknown;
    clearTimeout(handle: unknown): void;
    random(): number;
  };
  /** How long nothing may come. */
  readonly silenceMs: number;
  /** An envelope came, in its turn. */
  sync(topic: Topic, envelope: unknown): void;
  /** All keys are answered; `isBack`: after there was no connection. */
  answered(answers: ReadonlyMap<Topic, HandshakeAnswer>, isBack: boolean): void;
  /** An answer came that nobody asked for. */
  told(topic: Topic, answer: HandshakeAnswer): void;
  broken(phase: 'decode' | 'stream', error: unknown, key?: string): void;
  changed(): void;
};

type Stream = {
  readonly abort: AbortController;
  readonly topics: ReadonlyMap<string, Topic>;
  readonly answers: Map<Topic, HandshakeAnswer>;
  isReady: boolean;
  timer: unknown;
};

/**
 * One stream of the server over some keys, begun anew whenever they change or it ends (records.md §8.1).
 *
 *     resting ──keys──▶ opening ──ready──▶ live ──keys──▶ live and opening ──ready──▶ live
 *                          ▲  ended, refused, silent: after a while │
 *                          └────────────────────────────────────────┘
 *
 * 1. The stream before goes on until the next one is ready, and no longer.
 * 2. What the stream before has told is not told again by the next one.
 */
export class Line {
  readonly topics: Map<string, Topic> = new Map();
  readonly #room: LineRoom;
  #live: Stream | null = null;
  #opening: Stream | null = null;
  #attempts = 0;
  #retry: unknown = null;
  /** When what is not served now is asked for again. */
  readonly #postponed = new Set<unknown>();
  #isDue = false;
  #isClosed = false;

  constructor(room: LineRoom) {
    this.#room = room;
  }

  /** All is heard that may be: that may be nothing. */
  get isLive(): boolean {
    return this.#live !== null || (this.#postponed.size === 0 && this.#asked().length === 0);
  }

  /** Attempts that came to nothing since it last was live. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The keys are others now: once for all that change in this turn. */
  changed(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      this.#open();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#stopRetry();
    for (const timer of this.#postponed) this.#room.env.clearTimeout(timer);
    this.#drop(this.#live);
    this.#drop(this.#opening);
    this.#live = null;
    this.#opening = null;
  }

  #open(): void {
    if (this.#isClosed) return;
    this.#stopRetry();
    this.#drop(this.#opening);
    this.#opening = null;
    const topics = new Map(this.#asked());
    if (topics.size === 0) {
      this.#drop(this.#live);
      this.#live = null;
      this.#room.changed();
      return;
    }
    const stream: Stream = {
      abort: new AbortController(),
      topics,
      answers: new Map(),
      isReady: false,
      timer: null,
    };
    this.#opening = stream;
    this.#listen(stream);
    void this.#read(stream);
    this.#room.changed();
  }

  #asked(): [string, Topic][] {
    return [...this.topics].filter(([, { isRefused }]) => !isRefused);
  }

  async #read(stream: Stream): Promise<void> {
    const { signal } = stream.abort;
    const requests = Array.from(stream.topics.values(), ({ request }) => request);
    const alive = (): void => this.#listen(stream);
    let error: unknown = null;
    try {
      await readStream(requests, {
        ask: this.#room.ask,
        signal,
        events: {
          alive,
          answer: (answer) => this.#answer(stream, answer),
          ready: () => this.#ready(stream),
          sync: (key, envelope) => this.#sync(stream, key, envelope),
          broken: (problem) => this.#room.broken('decode', problem),
        },
      });
    } catch (failure) {
      error = failure;
    }
    if (!signal.aborted) this.#ended(stream, error);
  }

  #answer(stream: Stream, answer: HandshakeAnswer): void {
    const topic = stream.topics.get(answer.key);
    if (topic === undefined || this.topics.get(answer.key) !== topic) return;
    if (!stream.isReady) {
      stream.answers.set(topic, answer);
      return;
    }
    this.#room.told(topic, answer);
    // Whoever asks again is perhaps shown another token.
    if (answer.type === 'denied') this.changed();
  }

  #ready(stream: Stream): void {
    if (this.#opening !== stream) return;
    stream.isReady = true;
    const isBack = this.#live === null && this.#attempts > 0;
    this.#drop(this.#live);
    this.#live = stream;
    this.#opening = null;
    this.#attempts = 0;
    this.#room.changed();
    this.#room.answered(stream.answers, isBack);
    for (const topic of stream.answers.keys()) {
      topic.isLive = true;
      topic.attempts = 0;
      topic.ready.resolve();
    }
  }

  #sync(stream: Stream, key: string, envelope: unknown): void {
    const topic = stream.topics.get(key);
    if (this.#live !== stream || topic === undefined || this.topics.get(key) !== topic) return;
    this.#room.sync(topic, envelope);
  }

  #ended(stream: Stream, error: unknown): void {
    this.#drop(stream);
    if (this.#live === stream) this.#live = null;
    else if (this.#opening === stream) this.#opening = null;
    if (error instanceof RefusedKey && stream.topics.has(error.key)) {
      const topic = stream.topics.get(error.key);
      if (topic !== undefined && error.isDenied) this.#refused(topic, error.reason);
      else if (topic !== undefined) this.#postpone(topic, error);
      this.#open();
      return;
    }
    if (error !== null) this.#broke(stream, error);
    // The next one is on its way already.
    if (this.#opening !== null) {
      this.#attempts = Math.max(1, this.#attempts);
      this.#room.changed();
      return;
    }
    this.#attempts += 1;
    this.#stopRetry();
    const { env } = this.#room;
    this.#retry = env.setTimeout(() => this.#open(), backoffMs(this.#attempts, env.random()));
    this.#room.changed();
  }

  #broke({ topics }: Stream, error: unknown): void {
    this.#room.broken('stream', error);
    if (!(error instanceof HoldfastError) || error.code !== 'unauthorized') return;
    // Who waits for an answer would wait for ever: it is not the network that says no.
    for (const topic of topics.values()) topic.unanswered(error);
  }

  #refused(topic: Topic, reason: string): void {
    topic.isRefused = true;
    this.#room.told(topic, { key: topic.key, type: 'denied', reason });
  }

  /** It is not served now: the others go on without it, and it is asked for after a while. */
  #postpone(topic: Topic, error: unknown): void {
    const { env } = this.#room;
    topic.isRefused = true;
    topic.attempts += 1;
    topic.unanswered(error);
    this.#room.broken('stream', error, topic.key);
    const timer = env.setTimeout(
      () => {
        this.#postponed.delete(timer);
        if (!topic.isRefused || this.topics.get(topic.key) !== topic) return;
        topic.isRefused = false;
        this.changed();
      },
      backoffMs(topic.attempts, env.random()),
    );
    this.#postponed.add(timer);
  }

  /** Waits for the next sign of life. */
  #listen(stream: Stream): void {
    const { env, silenceMs } = this.#room;
    env.clearTimeout(stream.timer);
    stream.timer = env.setTimeout(() => {
      if (!stream.abort.signal.aborted) this.#ended(stream, new Error('The server is silent.'));
    }, silenceMs);
  }

  #drop(stream: Stream | null): void {
    if (stream === null) return;
    this.#room.env.clearTimeout(stream.timer);
    stream.abort.abort();
  }

  #stopRetry(): void {
    if (this.#retry !== null) this.#room.env.clearTimeout(this.#retry);
    this.#retry = null;
  }
}
