import type { Looker } from '../storage/turn.ts';
import type { StoreHost } from './store-host.ts';

/** As many as go on side by side: each holds a state of its own, or what differs from one. */
const LOOKS_MAX = 2;

type Looks = { running: number; readonly waiting: (() => void)[] };

const looks = new WeakMap<Pick<StoreHost, 'view'>, Looks>();

/** Looks back in the log of a store; who comes when enough do waits, so that thousands at once take the memory of a few. */
export async function inTurn<T>(
  store: Pick<StoreHost, 'view'>,
  look: () => Promise<T>,
  looker: Pick<Looker, 'wait'>,
): Promise<T> {
  const own = looks.get(store) ?? { running: 0, waiting: [] };
  looks.set(store, own);
  // Whoever ends hands its place on.
  if (own.running < LOOKS_MAX) own.running += 1;
  else await looker.wait(new Promise<void>((resolve) => own.waiting.push(resolve)));
  try {
    return await look();
  } finally {
    const heir = own.waiting.shift();
    if (heir === undefined) own.running -= 1;
    else heir();
  }
}
