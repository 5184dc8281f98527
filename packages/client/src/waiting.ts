import { HoldfastError } from '@holdfast/protocol';
import { type Deferred, deferred } from '@holdfast/engine/registry';
import type { ReplicaStatus } from '@holdfast/engine/replica';
import type { ConnectionStatus } from './uplink.ts';

/** What the promises of a store depend on. */
export type Situation = {
  readonly phase: ReplicaStatus['phase'];
  readonly pending: number;
  readonly line: ConnectionStatus;
  readonly error: HoldfastError | null;
};

type Verdict = 'yes' | 'not yet' | HoldfastError;

/** The promises of a store: that it is ready, that it is reached, that all is settled. None has to be handled. */
export class Waiting {
  readonly #hasImage: boolean;
  /** Since then there is something to read, whatever becomes of the connection. */
  #wasLive = false;
  readonly #ready = new Condition();
  readonly #reached = new Condition();
  readonly #settled = new Condition();

  constructor(hasImage: boolean) {
    this.#hasImage = hasImage;
  }

  ready(): Promise<void> {
    return this.#ready.promise;
  }

  reached(): Promise<void> {
    return this.#reached.promise;
  }

  settled(): Promise<void> {
    return this.#settled.promise;
  }

  update(now: Situation): void {
    this.#ready.set(this.#isReady(now));
    if (now.phase === 'live') this.#wasLive = true;
    this.#reached.set(isReached(now));
    this.#settled.set(now.pending === 0 ? 'yes' : 'not yet');
  }

  close(): void {
    const closed = new HoldfastError('closed');
    for (const condition of [this.#ready, this.#reached, this.#settled]) condition.end(closed);
  }

  #isReady({ phase, line, error }: Situation): Verdict {
    if (phase === 'live') return 'yes';
    if (this.#wasLive && phase !== 'refused') return 'yes';
    if (error !== null && (phase === 'refused' || line.connection === 'closed')) return error;
    return this.#hasImage && !isPromising(line) ? 'yes' : 'not yet';
  }
}

/** Whether there is a connection, or may be one at any moment. */
function isPromising({ connection, attempts }: ConnectionStatus): boolean {
  return connection === 'connected' || (connection === 'connecting' && attempts === 0);
}

function isReached({ phase, line, error }: Situation): Verdict {
  if (phase === 'refused' && line.connection === 'connected' && error !== null) return error;
  const isJoined = phase === 'live' || phase === 'catching_up';
  return isJoined || !isPromising(line) ? 'yes' : 'not yet';
}

/** A promise of something that can become true, fail, and become open again. */
class Condition {
  #deferred: Deferred<void> | null = null;
  #verdict: Verdict = 'not yet';

  get promise(): Promise<void> {
    this.#deferred ??= deferred<void>();
    this.#tell();
    return this.#deferred.promise;
  }

  set(verdict: Verdict): void {
    if (verdict === this.#verdict) return;
    // Who waits goes on waiting; who has been told asks anew.
    if (this.#verdict !== 'not yet') this.#deferred = null;
    this.#verdict = verdict;
    this.#tell();
  }

  end(error: HoldfastError): void {
    if (this.#verdict === 'not yet') this.set(error);
  }

  #tell(): void {
    if (this.#verdict === 'yes') this.#deferred?.resolve();
    else if (this.#verdict !== 'not yet') this.#deferred?.reject(this.#verdict);
  }
}
