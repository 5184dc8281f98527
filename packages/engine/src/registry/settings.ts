import type { Env, OnMismatch, RegistryConfig, RegistryProblem, RetryPolicy } from './types.ts';

/** A registry's configuration with its defaults filled in (registry.md §1). */
export interface Settings<T, O extends object> {
  readonly config: RegistryConfig<T, O>;
  readonly env: Env;
  readonly ttl: number;
  readonly onMismatch: OnMismatch;
  readonly provisionalMs: number;
  readonly loadTimeout: number;
  readonly closeTimeout: number;
  readonly errorTtl: number;
  readonly retry: RetryPolicy;
  readonly abortAtOnce: boolean;
  readonly maxEntries: number;
  readonly timers: boolean;
  report(problem: RegistryProblem): void;
  warn(message: string): void;
}

const patience = {
  ttl: 60_000,
  provisionalMs: 5000,
  loadTimeout: 30_000,
  closeTimeout: 10_000,
  errorTtl: 5000,
  maxEntries: Infinity,
};

/** Fills in the defaults. */
export function settingsOf<T, O extends object>(config: RegistryConfig<T, O>): Settings<T, O> {
  const { env } = config;
  const warn = (message: string): void => {
    if (env.dev) env.warn?.(`${config.name}: ${message}`);
  };
  return {
    config,
    env,
    ttl: checkedTtl(config.defaults?.ttl ?? patience.ttl),
    onMismatch: config.onMismatch ?? (env.dev ? 'warn' : 'reuse'),
    provisionalMs: config.provisionalMs ?? patience.provisionalMs,
    loadTimeout: config.loadTimeout ?? patience.loadTimeout,
    closeTimeout: config.closeTimeout ?? patience.closeTimeout,
    errorTtl: config.errorTtl ?? patience.errorTtl,
    retry: config.retry ?? { attempts: 3, baseMs: 250, capMs: 10_000, isTransient },
    abortAtOnce: config.abortUnused === 'immediate',
    maxEntries: config.maxEntries ?? patience.maxEntries,
    timers: config.timers ?? true,
    report: (problem) => {
      try {
        if (config.onError !== undefined) config.onError(problem);
        else warn(`${problem.phase} failed: ${say(problem.error)}`);
      } catch (error) {
        warn(`onError failed: ${say(error)}`);
      }
    },
    warn,
  };
}

/** A time to live as given, or a RangeError (registry.md §3.2). */
export function checkedTtl(ttl: number): number {
  if (typeof ttl === 'number' && ttl >= 0) return ttl;
  throw new RangeError(
    `ttl must be a number of milliseconds from 0 to Infinity, not ${String(ttl)}`,
  );
}

function isTransient(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'retry' in error && error.retry === 'later';
}

function say(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
