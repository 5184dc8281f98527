import { HoldfastError, isObject, RejectedError } from '@holdfast/protocol';
import { faultCodeOf, uploadTopic } from '@holdfast/protocol/views';
import { deferred } from '@holdfast/engine/registry';
import type { News, Speaker, Uplink } from '../uplink.ts';
import type { Mounted } from './root.ts';
import type { UploadFile } from './upload.ts';

//   joining ──ok, offset──▶ sending ──last byte──▶ done
//      ▲                      │ lost
//      ╰── live again ── resting      (or cancelled, where the entry did not outlive it)

/** What is sent. */
export type ChannelJob = {
  readonly ref: string;
  readonly file: UploadFile;
  readonly chunkSize: number;
  readonly token: string;
  readonly grantedAt: number;
};

/** What sending a file needs. */
export type ChannelPorts = {
  readonly uplink: Uplink;
  readonly mount: Mounted;
  readonly signal: AbortSignal;
  readonly renew: () => Promise<string>;
  /** Whether the server still knows the entry. */
  readonly isThere: () => Promise<boolean>;
};

/** An older token is exchanged before it is used (views.md §12.11). */
const tokenMs = 500_000;
/** So long the server has to close a channel whose file is whole. */
const closeMs = 1000;

/** Sends one file over the socket, a chunk at a time, and goes on after a lost connection (views.md §10.3). */
export class ChannelTransfer implements Speaker {
  readonly #ports: ChannelPorts;
  readonly #job: ChannelJob;
  readonly #topic: string;
  readonly #end = deferred<void>();
  #token: string;
  #tokenAt: number;
  #offset = 0;
  #chunks = 0;
  /** How often it has joined. */
  #channel = 0;
  #isDone = false;
  #off: () => void = () => undefined;

  constructor(ports: ChannelPorts, job: ChannelJob) {
    this.#ports = ports;
    this.#job = job;
    this.#topic = uploadTopic(job.ref);
    this.#token = job.token;
    this.#tokenAt = job.grantedAt;
  }

  /** Resolves when the server has the whole file. */
  async run(): Promise<void> {
    const { signal, uplink } = this.#ports;
    const abort = (): void => this.#end.reject(signal.reason);
    signal.addEventListener('abort', abort);
    try {
      if (signal.aborted) abort();
      else await this.#begin();
      await this.#end.promise;
    } finally {
      signal.removeEventListener('abort', abort);
      this.#off();
      if (!this.#isDone) uplink.leave(this.#topic);
    }
  }

  joinPayload(): object {
    return { token: this.#token, ...(this.#isResumable && { resume: true }) };
  }

  isFinal(): boolean {
    return true;
  }

  hear(news: News): void {
    switch (news.type) {
      case 'joined':
        return this.#joined(news.response);
      case 'refused':
        return this.#end.reject(RejectedError.from(news.refusal));
      case 'reply':
        return this.#answered(news);
      case 'lost':
        return this.#lost();
      case 'message':
      case 'connection':
        return;
    }
  }

  get #isResumable(): boolean {
    return (this.#ports.mount.capver ?? 0) >= 4;
  }

  async #begin(): Promise<void> {
    const { mount, uplink, renew, signal } = this.#ports;
    if (this.#isResumable && mount.env.now() - this.#tokenAt > tokenMs) {
      this.#token = await renew();
      this.#tokenAt = mount.env.now();
    }
    // It may have ended while the token was renewed: nobody would leave then.
    if (!signal.aborted) uplink.join(this.#topic, this);
  }

  #joined(response: unknown): void {
    const offset = isObject(response) ? response['offset'] : undefined;
    this.#offset = typeof offset === 'number' ? offset : 0;
    this.#channel += 1;
    const { size } = this.#job.file;
    // A Musubi server has to be shown that nothing is all there is.
    if (size === 0 ? typeof offset === 'number' : this.#offset >= size) this.#finish();
    else void this.#send();
  }

  async #send(): Promise<void> {
    const { file, chunkSize } = this.#job;
    const channel = this.#channel;
    try {
      const bytes = file.slice(this.#offset, this.#offset + chunkSize);
      const payload = new Uint8Array(await bytes.arrayBuffer());
      // What was read for a channel that is no more is not for the one that goes on elsewhere.
      if (channel !== this.#channel) return;
      this.#chunks += 1;
      this.#ports.uplink.push(this.#topic, { id: String(this.#chunks), event: 'chunk', payload });
    } catch (error) {
      this.#end.reject(error);
    }
  }

  #answered({ id, status, response }: Extract<News, { readonly type: 'reply' }>): void {
    if (id !== String(this.#chunks)) return;
    if (status === 'error') {
      this.#end.reject(new RejectedError(faultCodeOf(response) ?? 'internal'));
      return;
    }
    const { file, chunkSize } = this.#job;
    this.#offset += chunkSize;
    if (this.#offset >= file.size) this.#finish();
    else void this.#send();
  }

  #finish(): void {
    const { mount, uplink } = this.#ports;
    this.#isDone = true;
    // The server closes the channel; one that does not is left.
    mount.env.setTimeout(() => uplink.leave(this.#topic), closeMs);
    this.#end.resolve();
  }

  /** The server closed it, or the connection is gone: then it goes on where the root does. */
  #lost(): void {
    const { mount, uplink } = this.#ports;
    uplink.leave(this.#topic);
    if (this.#isDone) return;
    // There are servers that need no chunk to know that nothing is all there is: what they make of it the root says.
    if (mount.isLive && this.#job.file.size === 0) this.#end.resolve();
    else if (mount.isLive || !this.#isResumable) {
      this.#end.reject(new HoldfastError('disconnected'));
    } else this.#rest();
  }

  /** Until the root is live again. */
  #rest(): void {
    const { mount, isThere } = this.#ports;
    const again = async (): Promise<void> => {
      if (!(await isThere())) throw new HoldfastError('disconnected');
      await this.#begin();
    };
    const live = (): void => {
      this.#off();
      again().catch((error: unknown) => this.#end.reject(error));
    };
    mount.lives.add(live);
    this.#off = () => mount.lives.delete(live);
  }
}
