import { type AppendResult, type Storage, StorageError } from './storage/port.ts';

type Verdict = { readonly ok: boolean; readonly checks: { readonly [part: string]: string } };

/** What is written to see whether there is room: more than a database has left in pages of its own. */
const trialBytes = 64 * 1024;

/**
 * Whether a server can serve, and what of it cannot (stores.md §19.2). One whose storage took no writes when it was given some is
 * not ready until it takes them again: whoever is sent elsewhere brings none, so that it is tried.
 */
export class Readiness {
  readonly #storage: Pick<Storage, 'stores' | 'keys' | 'now'>;
  /** Why the last append was not stored; null: it was. */
  #fault: StorageError['reason'] | null = null;
  #trial: Promise<void> | null = null;
  #trials = 0;

  constructor(storage: Pick<Storage, 'stores' | 'keys' | 'now'>) {
    this.#storage = storage;
  }

  /** An append has ended. One that was refused for what it was says nothing of the storage. */
  appended(result: AppendResult): void {
    if (result.status === 'failed') this.#fault = result.reason ?? this.#fault;
    else if (result.status === 'unknown') this.#fault = 'io';
    else if (result.status === 'stored') this.#fault = null;
  }

  async ask(isDraining: boolean): Promise<Verdict> {
    if (this.#fault !== null) await this.#try();
    const database = await this.#database();
    const ok = database === 'ok' && !isDraining;
    return { ok, checks: { database, pubsub: 'ok', ...(isDraining && { server: 'draining' }) } };
  }

  async #database(): Promise<string> {
    if (this.#fault !== null) return `cannot write: ${this.#fault}`;
    return this.#storage.stores.list({ limit: 1 }).then(
      () => 'ok',
      () => 'failed',
    );
  }

  /** One at a time, however many ask. */
  #try(): Promise<void> {
    this.#trial ??= this.#write().finally(() => (this.#trial = null));
    return this.#trial;
  }

  async #write(): Promise<void> {
    const { keys } = this.#storage;
    const at = this.#storage.now();
    this.#trials += 1;
    const name = `readyz ${this.#trials} ${at}`.padEnd(trialBytes);
    try {
      await keys.take({ name, print: 0, at });
      await keys.free(name);
      this.#fault = null;
    } catch (error) {
      this.#fault = error instanceof StorageError ? error.reason : 'io';
    }
  }
}
