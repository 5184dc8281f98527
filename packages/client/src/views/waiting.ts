import { HoldfastError, type NodeSnapshot } from '@holdfast/protocol';
import { deferred } from '@holdfast/engine/registry';
import { closedError } from '../mistakes.ts';
import { type Site, siteOf } from './proxy.ts';
import type { TypesOfProxy } from './types.ts';

/** How long something is waited for. */
export type WaitOptions = {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
};

/** The next snapshot that another one than now is shown of a node (views.md §12.9). */
export function nextSnapshot<Proxy extends object>(
  view: Proxy,
  options: Pick<WaitOptions, 'signal'> = {},
): Promise<NodeSnapshot<TypesOfProxy<Proxy>>> {
  const { root, node } = siteOf(view);
  const before = root.snapshot(node);
  const next = (now: unknown): unknown => (now === before || now === undefined ? undefined : now);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the snapshot of this proxy
  return until({ root, node }, next, options) as Promise<never>;
}

/** The first value, now or later, that `select` makes of a node's snapshot and that is neither undefined nor false. */
export function waitFor<Proxy extends object, Value>(
  view: Proxy,
  select: (snapshot: NodeSnapshot<TypesOfProxy<Proxy>>) => Value,
  options: WaitOptions = {},
): Promise<Exclude<Value, undefined | false>> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the snapshot of this proxy
  const judge = (now: unknown): unknown => (now === undefined ? undefined : select(now as never));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as judged
  return until(siteOf(view), judge, options) as Promise<never>;
}

/** A text that stands for a node in lists: the same for the same node, over re-mounts too. */
export function keyOf(view: object): string {
  const { root, node } = siteOf(view);
  return root.rootId + node;
}

function until(
  { root, node }: Site,
  judge: (now: unknown) => unknown,
  { signal, timeoutMs = Infinity }: WaitOptions,
): Promise<unknown> {
  const { promise, resolve, reject } = deferred<unknown>();
  const { mount } = root;
  if (signal?.aborted === true || mount === null) {
    reject(mount === null ? closedError('view') : signal?.reason);
    return promise;
  }
  const end = (settle: () => void): void => {
    off();
    signal?.removeEventListener('abort', abort);
    mount.env.clearTimeout(timer);
    settle();
  };
  const look = (): void => {
    if (root.mount === null) return end(() => reject(closedError('view')));
    try {
      const value = judge(root.snapshot(node));
      if (value !== undefined && value !== false) end(() => resolve(value));
    } catch (error) {
      end(() => reject(error));
    }
  };
  const abort = (): void => end(() => reject(signal?.reason));
  const expire = (): void => end(() => reject(new HoldfastError('timeout')));
  const timer = timeoutMs < Infinity && mount.env.setTimeout(expire, timeoutMs);
  signal?.addEventListener('abort', abort);
  const off = root.wait(look);
  look();
  return promise;
}
