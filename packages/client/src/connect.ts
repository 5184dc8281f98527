import { HoldfastError } from '@holdfast/protocol';
import { deferred, type Signal } from '@holdfast/engine/registry';
import type { ClientEnv } from './env.ts';
import { closedError } from './mistakes.ts';
import type { ConnectionStatus } from './connection.ts';

/** How long a connection is waited for (views.md §12.1). */
export type ConnectOptions = {
  readonly signal?: AbortSignal | undefined;
  /** Default: 10 s. It is tried on after that. */
  readonly timeoutMs?: number;
};

const timeoutDefaultMs = 10_000;

/** Resolves when there is a connection; rejects when it is refused, closed, late, or nobody waits any more. */
export async function whenOpen(
  status: Signal<ConnectionStatus>,
  { signal, timeoutMs = timeoutDefaultMs }: ConnectOptions,
  env: ClientEnv,
): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = deferred<void>();
  const look = (): void => {
    const { connection, error } = status.get();
    if (connection === 'connected') resolve();
    else if (connection === 'failed') reject(error);
    else if (connection === 'closed') reject(closedError('client'));
  };
  const abort = (): void => reject(signal?.reason);
  const release = status.subscribe(look);
  const timer = env.setTimeout(() => reject(new HoldfastError('timeout')), timeoutMs);
  signal?.addEventListener('abort', abort);
  look();
  try {
    await promise;
  } finally {
    release();
    env.clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}
