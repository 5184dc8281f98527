/** A way to say something to all tabs that listen under the same name. */
export interface TabsChannel {
  post(message: unknown): void;
  close(): void;
}

/** What tabs need of the platform; tests and simulations pass their own. */
export interface TabsPlatform {
  /**
   * Asks for the lock of a name, which one tab has at a time: waits for it, or with `steal` takes it. `held` comes when
   * it is ours, `lost` when it was taken from us, `refused` where this tab can have none; none of them after the call of
   * what is returned, which lets go of it. A tab that ends, however, lets go of its locks.
   */
  lock(
    name: string,
    how: { readonly steal: boolean },
    events: { held(): void; lost(): void; refused(): void },
  ): () => void;
  /** The names of all locks that somebody has; rejects where the platform does not say. */
  locksHeld(): Promise<ReadonlySet<string>>;
  /** `hear` gets what others post, each message later than it was posted, those of one tab in order. */
  channel(name: string, hear: ((message: unknown) => void) | null): TabsChannel;
  /**
   * Calls back with `true` when this tab is about to be frozen, and with `false` when it has thawed; returns how to stop. A
   * frozen tab may go on hearing others, though no timer runs in it and nothing comes from the network: it must not lead.
   */
  watchFreezing?(hear: (isFrozen: boolean) => void): () => void;
}

/** The platform's locks and channels; null where it has none. */
export function platformTabs(): TabsPlatform | null {
  const { navigator, BroadcastChannel } = globalThis as Partial<typeof globalThis>;
  // Only pages of secure origins have locks.
  const locks = (navigator as Partial<Navigator> | undefined)?.locks;
  if (locks === undefined || BroadcastChannel === undefined) return null;
  try {
    new BroadcastChannel('').close();
  } catch {
    // A page without an origin of its own, such as a sandboxed frame.
    return null;
  }
  return {
    lock: (name, { steal }, events) => {
      const ended = new AbortController();
      const { signal } = ended;
      const isOurs = new Promise<void>((resolve) =>
        signal.addEventListener('abort', () => resolve()),
      );
      const hold = (): Promise<void> => {
        if (!signal.aborted) events.held();
        return isOurs;
      };
      locks.request(name, steal ? { steal } : { signal }, hold).catch((error: unknown) => {
        if (signal.aborted) return;
        const isRobbed = error instanceof DOMException && error.name === 'AbortError';
        if (isRobbed) events.lost();
        else events.refused();
      });
      return () => ended.abort();
    },
    locksHeld: async () => {
      const { held = [] } = await locks.query();
      return new Set(held.flatMap(({ name }) => name ?? []));
    },
    channel: (name, hear) => {
      const channel = new BroadcastChannel(name);
      if (hear !== null) channel.addEventListener('message', ({ data }) => hear(data));
      return {
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has no target
        post: (message) => channel.postMessage(message),
        close: () => channel.close(),
      };
    },
    watchFreezing,
  };
}

function watchFreezing(hear: (isFrozen: boolean) => void): () => void {
  // Workers have none.
  const { document } = globalThis as Partial<typeof globalThis>;
  const ended = new AbortController();
  const { signal } = ended;
  document?.addEventListener('freeze', () => hear(true), { signal });
  document?.addEventListener('resume', () => hear(false), { signal });
  return () => ended.abort();
}
