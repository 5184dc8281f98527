import { type Deferred, deferred } from '@holdfast/engine/registry';
import {
  type HandshakeAnswer,
  type HandshakeRequest,
  readEnvelope,
} from '@holdfast/protocol/record';

/** How far a key is known. */
type Place = {
  readonly incarnation: string | null;
  readonly sequence: number;
  readonly isGone: boolean;
};

/** One key that somebody subscribes to: how far it is known, and who waits for what the server says of it. */
export class Topic {
  readonly key: string;
  readonly ready: Deferred<void> = deferred<void>();
  /** The server has answered for it on a stream. */
  isLive = false;
  /** It may not be read: it is not asked for until somebody asks once more. */
  isRefused = false;
  /** How often it was not served since it last was. */
  attempts = 0;
  /** What is there may be another's: the next snapshot takes the place of it, whatever its sequence is. */
  isForeign = false;
  #asked: Deferred<HandshakeAnswer>[] = [];
  #request: HandshakeRequest;
  #place: Place | null = null;
  #view: string | null = null;

  constructor(key: string) {
    this.key = key;
    this.#request = { key, record: '', params: {}, client_version: '' };
    this.ready.promise.catch(() => undefined);
  }

  /** What is to be asked: what was last, with how far the key is known by now. */
  get request(): HandshakeRequest {
    const { incarnation, sequence } = this.#place ?? {};
    const view = this.#view === null ? {} : { view: this.#view };
    if (sequence === undefined) return { ...this.#request, ...view };
    const isNamed = typeof incarnation === 'string';
    return { ...this.#request, ...view, sequence, ...(isNamed && { incarnation }) };
  }

  /** Waits for what the next stream says of it. */
  ask(request: HandshakeRequest): Deferred<HandshakeAnswer> {
    this.#request = request;
    const asked = deferred<HandshakeAnswer>();
    this.#asked.push(asked);
    return asked;
  }

  forgetAsked(asked: Deferred<HandshakeAnswer>): void {
    this.#asked = this.#asked.filter((each) => each !== asked);
  }

  /** Gives an answer to all who wait for one; says whether there were any. */
  answered(answer: HandshakeAnswer): boolean {
    const asked = this.#asked;
    this.#asked = [];
    for (const each of asked) each.resolve(answer);
    return asked.length > 0;
  }

  /** Nobody answers now. */
  unanswered(error: unknown): void {
    for (const each of this.#asked) each.reject(error);
    this.#asked = [];
  }

  /** Nobody will answer. */
  fail(error: unknown): void {
    this.unanswered(error);
    this.ready.reject(error);
  }

  /** Whether an answer was given for the state that somebody has. */
  isOf({ sequence, incarnation }: HandshakeRequest): boolean {
    return this.#place?.sequence === sequence && this.#place?.incarnation === (incarnation ?? null);
  }

  /** Whether an envelope is newer than what came; what has no place in order is let through, to be judged elsewhere. */
  isNews(envelope: unknown): boolean {
    const read = readEnvelope(envelope);
    const place = this.#place;
    if ('fault' in read || place === null || read.incarnation !== place.incarnation) return true;
    return read.sequence > place.sequence;
  }

  /** Whether an answer tells nothing that is not known. */
  isKnown(answer: HandshakeAnswer): boolean {
    if (answer.type !== 'gone') return answer.type === 'current';
    return this.#place?.isGone === true && this.#place.incarnation === answer.incarnation;
  }

  /** Takes note of an envelope. */
  pass(envelope: unknown): void {
    const read = readEnvelope(envelope);
    if ('fault' in read) return;
    const { incarnation, sequence, isDeleted: isGone } = read;
    this.#place = { incarnation, sequence, isGone };
  }

  /** Takes note of an answer. */
  take(answer: HandshakeAnswer): void {
    this.isForeign = false;
    this.#view = answer.view ?? this.#view;
    if (answer.type === 'snapshot') this.pass(answer.envelope);
    else if (answer.type === 'gone') {
      const { incarnation, sequence } = answer;
      this.#place = { incarnation, sequence, isGone: true };
    } else if (answer.type !== 'current') this.forget();
  }

  forget(): void {
    this.#place = null;
    this.#view = null;
    const { key, record, params, client_version } = this.#request;
    this.#request = { key, record, params, client_version };
  }
}
