import { HoldfastError } from '@holdfast/protocol';
import {
  Answered,
  atOnce,
  Hub,
  type Subscribed,
  type SyncTransport,
  type TransportOptions,
  type TransportStats,
  type TransportStatus,
} from '@holdfast/engine/record';
import { type Deferred, deferred, type Release, type Signal } from '@holdfast/engine/registry';
import {
  type Envelope,
  type HandshakeAnswer,
  type HandshakeRequest,
} from '@holdfast/protocol/record';
import { Line } from './line.ts';
import { type Fetch, readAnswers, RefusedKey } from './stream.ts';
import { Topic } from './topic.ts';

export type { Fetch } from './stream.ts';

/** How records come as server-sent events. */
export type SseTransportOptions = TransportOptions & {
  /** The server, such as `https://example.org`; a path is kept in front of the server's own `/api/records`. */
  readonly url: string;
  /** A token, or what gives one: asked for each request. Null: the cookies of the page, of another origin too. Default: none. */
  readonly token?: string | (() => string | Promise<string>) | null;
  /** Default: the platform's. */
  readonly fetch?: Fetch;
  /** Keys of one stream; beyond them there is another one. Default: 200, as many as a server takes. */
  readonly keysMax?: number;
  /** Milliseconds without a sign of life after which the stream is given up. Default: 45,000. */
  readonly silenceMs?: number;
};

const keysMaxDefault = 200;
const silenceMsDefault = 45_000;

const platform: NonNullable<TransportOptions['env']> = {
  setTimeout: (fn, ms) => setTimeout(fn, ms),
  clearTimeout: (handle) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a handle comes from our own setTimeout
    clearTimeout(handle as ReturnType<typeof setTimeout>);
  },
  random: () => Math.random(),
};

type Question = {
  readonly request: HandshakeRequest;
  readonly signal: AbortSignal;
  readonly asked: Deferred<HandshakeAnswer>;
};

/** Records without a socket: reads them as server-sent events (records.md §8.1). Writes go by HTTP, and not through here. */
export class SseTransport implements SyncTransport {
  readonly status: Signal<TransportStatus>;
  readonly #options: SseTransportOptions;
  readonly #endpoint: string;
  readonly #env: NonNullable<TransportOptions['env']>;
  readonly #hub: Hub;
  readonly #topics = new Map<string, Topic>();
  readonly #lines = new Set<Line>();
  readonly #closing = new AbortController();
  /** What a connection that is there again has just answered, until it is heard. */
  #fresh: Map<Topic, HandshakeAnswer> | null = null;
  #questions: Question[] = [];

  /** Throws a `TypeError` for a `url` that is none. */
  constructor(options: SseTransportOptions) {
    this.#options = options;
    this.#endpoint = endpointOf(options.url);
    this.#env = options.env ?? platform;
    this.#hub = new Hub(options, 'connecting');
    this.status = this.#hub.status;
  }

  publish(key: string, _message: Envelope): void {
    this.#hub.check(key);
    throw new HoldfastError('read_only', { key }, 'This transport is the read side only.');
  }

  subscribe(key: string, handler: (message: unknown) => void): Subscribed {
    this.#hub.check(key);
    const topic = this.#topics.get(key) ?? this.#begin(key);
    const last = (): void => this.#end(topic);
    return this.#hub.subscribe(key, handler, { ready: topic.ready.promise, last });
  }

  onReconnect(fn: () => void): Release {
    return this.#hub.onReconnect(fn);
  }

  /** What is answered as the stream begins needs no request of its own. */
  handshake(
    requests: readonly HandshakeRequest[],
    { signal }: { readonly signal: AbortSignal },
  ): Promise<readonly HandshakeAnswer[]> {
    return Promise.all(requests.map((request) => this.#answerTo(request, signal)));
  }

  keyCount(): number {
    return this.#hub.keyCount;
  }

  stats(): TransportStats {
    return { ...this.#hub.tally };
  }

  flush(): Promise<void> {
    return atOnce();
  }

  /** Forgets how far everything is known and asks anew, for somebody else: after a sign-out, when the token is another. */
  forget(): void {
    for (const topic of this.#topics.values()) {
      topic.forget();
      topic.isForeign = true;
      topic.isRefused = false;
    }
    for (const line of this.#lines) line.changed();
  }

  close(): Promise<void> {
    if (this.#hub.isClosed) return atOnce();
    this.#closing.abort();
    for (const line of this.#lines) line.close();
    this.#lines.clear();
    this.#hub.close();
    const error = new HoldfastError('transport_closed');
    for (const topic of this.#topics.values()) topic.fail(error);
    for (const { asked } of this.#questions) asked.reject(error);
    this.#topics.clear();
    this.#questions = [];
    return atOnce();
  }

  #begin(key: string): Topic {
    const topic = new Topic(key);
    this.#topics.set(key, topic);
    const line = this.#lineWithRoom();
    line.topics.set(key, topic);
    line.changed();
    return topic;
  }

  #end(topic: Topic): void {
    this.#topics.delete(topic.key);
    topic.fail(new HoldfastError('transport_closed', { key: topic.key }));
    const line = this.#lineOf(topic);
    if (line === undefined) return;
    line.topics.delete(topic.key);
    if (line.topics.size > 0) {
      line.changed();
      return;
    }
    line.close();
    this.#lines.delete(line);
    this.#show();
  }

  #lineOf(topic: Topic): Line | undefined {
    return [...this.#lines].find((line) => line.topics.get(topic.key) === topic);
  }

  #lineWithRoom(): Line {
    const { keysMax = keysMaxDefault, silenceMs = silenceMsDefault } = this.#options;
    const known = [...this.#lines].find(({ topics }) => topics.size < keysMax);
    if (known !== undefined) return known;
    const line = new Line({
      env: this.#env,
      silenceMs,
      ask: (path, body, signal) => this.#ask(path, body, signal),
      sync: (topic, envelope) => this.#hear(topic, envelope),
      answered: (answers, isBack) => this.#answered(answers, isBack),
      told: (topic, answer) => this.#told(topic, answer),
      broken: (phase, error, key) => {
        if (phase === 'decode') this.#hub.tally.decodeErrors += 1;
        this.#hub.report(phase, error, key);
      },
      changed: () => this.#show(),
    });
    this.#lines.add(line);
    return line;
  }

  #hear(topic: Topic, envelope: unknown): void {
    if (!topic.isNews(envelope)) return;
    topic.pass(envelope);
    this.#hub.deliver(topic.key, envelope);
  }

  /** A stream has begun: those who asked have their answers, the others what they have missed. */
  #answered(answers: ReadonlyMap<Topic, HandshakeAnswer>, isBack: boolean): void {
    const rest = new Map<Topic, HandshakeAnswer>();
    for (const [topic, answer] of answers) {
      const isAsked = topic.answered(answer);
      // To those who were answered it is no news.
      if (isAsked) topic.take(answer);
      else rest.set(topic, answer);
    }
    if (isBack) {
      for (const [topic, answer] of rest) {
        if (isPlain(topic, answer)) this.#hear(topic, answer.envelope);
      }
      this.#fresh = rest;
      this.#hub.reconnected();
      this.#fresh = null;
    }
    for (const [topic, answer] of rest) this.#told(topic, answer);
  }

  #told(topic: Topic, answer: HandshakeAnswer): void {
    if (topic.answered(answer)) {
      topic.take(answer);
      return;
    }
    if (isPlain(topic, answer)) {
      this.#hear(topic, answer.envelope);
      return;
    }
    const isNews = topic.isLive && !topic.isKnown(answer);
    topic.take(answer);
    if (!isNews) return;
    const told = answer.type === 'snapshot' ? { ...answer, reset: true as const } : answer;
    this.#hub.deliver(topic.key, new Answered(told));
  }

  #answerTo(request: HandshakeRequest, signal: AbortSignal): Promise<HandshakeAnswer> {
    const topic = this.#topics.get(request.key);
    if (topic === undefined) return this.#question(request, signal);
    const fresh = this.#fresh?.get(topic);
    if (fresh !== undefined && (fresh.type !== 'current' || topic.isOf(request))) {
      this.#fresh?.delete(topic);
      topic.take(fresh);
      return Promise.resolve(fresh);
    }
    if (topic.isLive && !topic.isRefused) return this.#question(request, signal);
    topic.isRefused = false;
    const asked = topic.ask(request);
    const forget = (): void => {
      topic.forgetAsked(asked);
      asked.reject(signal.reason);
    };
    signal.addEventListener('abort', forget, { once: true });
    this.#lineOf(topic)?.changed();
    return asked.promise;
  }

  /** Asks without a stream; all who do in this turn at once. */
  #question(request: HandshakeRequest, signal: AbortSignal): Promise<HandshakeAnswer> {
    if (this.#hub.isClosed) return Promise.reject(new HoldfastError('transport_closed'));
    const asked = deferred<HandshakeAnswer>();
    this.#questions.push({ request, signal, asked });
    if (this.#questions.length === 1) queueMicrotask(() => this.#askAll());
    return asked.promise;
  }

  #askAll(): void {
    const { keysMax = keysMaxDefault } = this.#options;
    const questions = this.#questions;
    this.#questions = [];
    for (let at = 0; at < questions.length; at += keysMax) {
      void this.#askThese(questions.slice(at, at + keysMax));
    }
  }

  async #askThese(questions: readonly Question[]): Promise<void> {
    const [only] = questions;
    if (only === undefined) return;
    const signals = questions.length === 1 ? [only.signal] : [];
    const signal = AbortSignal.any([this.#closing.signal, ...signals]);
    try {
      const requests = questions.map(({ request }) => request);
      const ask = this.#ask.bind(this);
      const answers = await readAnswers(requests, { ask, signal });
      for (const { request, asked } of questions) {
        const answer = answers.find(({ key }) => key === request.key);
        if (answer === undefined) asked.reject(new HoldfastError('unavailable'));
        else this.#answer(answer, asked);
      }
    } catch (error) {
      this.#failed(questions, error);
    }
  }

  #answer(answer: HandshakeAnswer, asked: Deferred<HandshakeAnswer>): void {
    this.#topics.get(answer.key)?.take(answer);
    asked.resolve(answer);
  }

  /** One key that is refused is answered so; the others ask again. */
  #failed(questions: readonly Question[], error: unknown): void {
    if (!(error instanceof RefusedKey)) {
      for (const { asked } of questions) asked.reject(error);
      return;
    }
    const { key, reason, isDenied } = error;
    for (const { asked } of questions.filter(({ request }) => request.key === key)) {
      if (isDenied) this.#answer({ key, type: 'denied', reason }, asked);
      else asked.reject(error);
    }
    const rest = questions.filter(({ request }) => request.key !== key);
    if (rest.length < questions.length) void this.#askThese(rest);
    else for (const { asked } of rest) asked.reject(error);
  }

  async #ask(path: string, body: object, signal: AbortSignal): Promise<Response> {
    const { token: source, fetch: fetchOf = fetch } = this.#options;
    const token = typeof source === 'function' ? await source() : source;
    signal.throwIfAborted();
    return fetchOf(this.#endpoint + path, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(typeof token === 'string' && { authorization: `Bearer ${token}` }),
      },
      ...(token === null && { credentials: 'include' }),
      body: JSON.stringify(body),
      signal,
    });
  }

  #show(): void {
    if (this.#hub.isClosed) return;
    const lines = [...this.#lines];
    const isOpen = lines.length > 0 && lines.every(({ isLive }) => isLive);
    const isLost = lines.some(({ isLive, attempts }) => !isLive && attempts > 0);
    this.#hub.status.put(isOpen ? 'open' : isLost ? 'reconnecting' : 'connecting');
    this.#hub.status.tell();
  }
}

/** Whether an answer is no more than what was missed. */
function isPlain(
  { isLive, isForeign }: Topic,
  answer: HandshakeAnswer,
): answer is Extract<HandshakeAnswer, { readonly type: 'snapshot' }> & { readonly reset?: never } {
  return isLive && !isForeign && answer.type === 'snapshot' && answer.reset !== true;
}

function endpointOf(url: string): string {
  const [, secure, place] = /^(?:ws|http)(s?):\/\/([^?#]+)/.exec(url) ?? [];
  if (secure === undefined || place === undefined || !URL.canParse(url)) {
    throw new TypeError(`SseTransport: "url" is like https://example.org, not "${url}".`);
  }
  return `http${secure}://${place.replace(/\/*$/, '')}/api/records`;
}
