/** What a client of the linearizability test asks for; paths are `register`, `claim` and `lock`. */
export type Ask =
  | { readonly kind: 'swap'; readonly ifMatch: number }
  | { readonly kind: 'remove'; readonly ifMatch: number }
  | { readonly kind: 'claim' | 'unclaim' }
  | { readonly kind: 'acquire'; readonly holder: string; readonly ttlMs: number }
  | { readonly kind: 'renew'; readonly token: number; readonly ttlMs: number }
  | { readonly kind: 'release'; readonly token: number }
  | { readonly kind: 'fenced'; readonly token: number };

/** What the server answered. */
export type Told =
  | { readonly seq: number; readonly token?: number }
  | { readonly refused: string; readonly revision?: number | null; readonly holder?: string }
  | { readonly released: false };

/** One request of one client, from when it was sent until it was answered. */
export type Call = {
  readonly client: number;
  readonly ask: Ask;
  readonly told: Told;
  readonly from: number;
  readonly until: number;
};

type Lease = {
  readonly token: number;
  readonly holder: string;
  /** It ends between these two: nobody outside knows when exactly it was granted. */
  readonly endsFrom: number;
  readonly endsUntil: number;
};

/** The state of a store as one that does one thing after the other would have it. */
export type State = {
  readonly seq: number;
  readonly register: number | null;
  readonly claim: number | null;
  readonly lease: Lease | null;
};

/** The clock that tells a lease's end rounds. */
const toleranceMs = 5;

/** The state after a call that is taken as a whole at one moment; null where a store in this state answers otherwise. */
export function step(state: State, call: Call): State | null {
  const { ask } = call;
  switch (ask.kind) {
    case 'swap':
    case 'remove':
      return guarded(state, call, ask);
    case 'claim':
      return claimed(state, call);
    case 'unclaim':
      return committed(state, call, { claim: null });
    case 'acquire':
      return acquired(state, call, ask);
    case 'fenced':
    case 'renew':
      return byHolder(state, call, ask);
    case 'release':
      return released(state, call, ask.token);
  }
}

function guarded(
  state: State,
  call: Call,
  { kind, ifMatch }: { readonly kind: string; readonly ifMatch: number },
): State | null {
  if (state.register !== ifMatch) {
    return refused(state, call, { refused: 'conflict', revision: state.register });
  }
  return committed(state, call, { register: kind === 'swap' ? state.seq + 1 : null });
}

function claimed(state: State, call: Call): State | null {
  return state.claim === null
    ? committed(state, call, { claim: state.seq + 1 })
    : refused(state, call, { refused: 'exists', revision: state.claim });
}

function byHolder(
  state: State,
  call: Call,
  ask: Ask & { readonly kind: 'fenced' | 'renew' },
): State | null {
  const isFenced = ask.kind === 'fenced';
  if (!isHeldWith(state, call, ask.token)) {
    return refused(over(state, ask.token), call, { refused: isFenced ? 'fenced' : 'not_held' });
  }
  if (isFenced) return committed(state, call, { register: state.seq + 1 });
  return committed(state, call, { lease: leaseOf(state.lease?.holder ?? '', ask, call) });
}

function acquired(state: State, call: Call, ask: Ask & { kind: 'acquire' }): State | null {
  const { lease } = state;
  const { told } = call;
  if ('seq' in told) {
    if (lease !== null && call.until < lease.endsFrom) return null;
    const token = told.token ?? 0;
    if (token <= (lease?.token ?? 0)) return null;
    return committed(state, call, { lease: leaseOf(ask.holder, { ...ask, token }, call) });
  }
  if (lease === null || call.from > lease.endsUntil) return null;
  return refused(state, call, { refused: 'held', holder: lease.holder });
}

function released(state: State, call: Call, token: number): State | null {
  if (isHeldWith(state, call, token)) return committed(state, call, { lease: null });
  // A lease that has ended is still removed by its last holder.
  if (state.lease?.token === token && 'seq' in call.told) {
    return committed(state, call, { lease: null });
  }
  return 'released' in call.told ? state : null;
}

/** Whether a lease with the token is held, as far as the answer says so where both may be. */
function isHeldWith({ lease }: State, { told, from, until }: Call, token: number): boolean {
  if (lease?.token !== token) return false;
  if (until < lease.endsFrom) return true;
  return from <= lease.endsUntil && 'seq' in told;
}

/** Once somebody was told that a lease has ended, it has. */
function over(state: State, token: number): State {
  const { lease } = state;
  if (lease?.token !== token) return state;
  return { ...state, lease: { ...lease, endsFrom: 0, endsUntil: 0 } };
}

function leaseOf(
  holder: string,
  { token, ttlMs }: { readonly token: number; readonly ttlMs: number },
  { from, until }: Call,
): Lease {
  const [endsFrom, endsUntil] = [from + ttlMs - toleranceMs, until + ttlMs + toleranceMs];
  return { token, holder, endsFrom, endsUntil };
}

function committed(state: State, { told }: Call, change: Partial<State>): State | null {
  const seq = state.seq + 1;
  return 'seq' in told && told.seq === seq ? { ...state, ...change, seq } : null;
}

function refused(
  state: State,
  { told }: Call,
  wanted: { readonly refused: string; readonly revision?: number | null; readonly holder?: string },
): State | null {
  const isSo =
    'refused' in told &&
    told.refused === wanted.refused &&
    told.revision === wanted.revision &&
    told.holder === wanted.holder;
  return isSo ? state : null;
}
