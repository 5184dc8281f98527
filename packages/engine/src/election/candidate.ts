import { type EpochMs, isObject, type MonotonicMs } from '@holdfast/protocol';

//             stand                    held
//   aside ───────────────▶ following ────────▶ leading
//     ▲                     ▲   │ ▲              │
//     │ withdraw            │   │ │ robbed,      │ withdraw: lets go of the lock
//     └─────────────────────┼───┘ │ a newer one  │
//     ▲                     └─────┴──────────────┤
//     └──────────────────────────────────────────┘
//
// 1. It leads only from `held` of its latest claim on, and until `robbed`, `withdraw` or word of a newer leader.
// 2. Of two leaders that hear each other one steps back: the one of the lesser epoch, or of the lesser id where those
//    are equal. Each epoch is greater than all that were heard before.
// 3. A leader that answers no question for `silencesMax` ticks in a row is robbed; one that answers never is.
// 4. Aside, nothing is due and nothing is said.

/** Who leads, as the others are told. */
export type Leader = {
  readonly id: string;
  readonly epoch: number;
  /** Whether it can be of use: it is connected to the server. */
  readonly isUp: boolean;
};

/** What tabs say to all: who leads, or the question for it. */
export type ElectionMessage =
  | ({ readonly type: 'leader' } & Leader)
  | { readonly type: 'anyone'; readonly id: string };

export type CandidateInput = { readonly now: MonotonicMs; readonly wall: EpochMs } & (
  | { readonly type: 'stand' }
  | { readonly type: 'withdraw' }
  /** The lock of a claim is ours. */
  | { readonly type: 'held'; readonly claim: number }
  /** The lock of a claim was taken from us. */
  | { readonly type: 'robbed'; readonly claim: number }
  | { readonly type: 'heard'; readonly message: ElectionMessage }
  /** Whether we would be of use as a leader. */
  | { readonly type: 'up'; readonly isUp: boolean }
  | { readonly type: 'tick' }
);

export type CandidateEffect =
  /** Ask for the lock, instead of what was asked before: wait for it, or take it from whoever has it. */
  | { readonly type: 'claim'; readonly claim: number; readonly steal: boolean }
  /** Let go of the lock, or of the wish for it. */
  | { readonly type: 'release' }
  | { readonly type: 'say'; readonly message: ElectionMessage }
  | { readonly type: 'lead'; readonly epoch: number }
  /** Somebody else leads, or nobody that is known of. */
  | { readonly type: 'follow'; readonly leader: Leader | null }
  | { readonly type: 'aside' }
  /** Send `tick` at this time; replaces the former one; null: never. */
  | { readonly type: 'wake'; readonly at: MonotonicMs | null };

/** A candidate as plain data. */
export type CandidateView = {
  readonly role: 'aside' | 'following' | 'leading';
  readonly leader: Leader | null;
  readonly silences: number;
};

/** How often a leader is asked for a sign of life, at most. */
const beatMs = 350;
/** Tabs do not all ask, or rob, at once. */
const jitterMs = 50;
const silencesMax = 3;

/**
 * One tab's part in who leads: a lock says it, and those who wait for the lock ask whether its holder is alive. Questions
 * are answered from where messages are received, so that a leader whose timers are throttled is not taken for frozen.
 */
export class Candidate {
  readonly #id: string;
  readonly #random: () => number;
  #role: CandidateView['role'] = 'aside';
  #leader: Leader | null = null;
  #claim = 0;
  #epochMax = 0;
  #isUp = false;
  #silences = 0;
  /** Since the last tick. */
  #hasHeard = false;
  #effects: CandidateEffect[] = [];

  constructor(config: { readonly id: string; readonly random: () => number }) {
    this.#id = config.id;
    this.#random = config.random;
  }

  /** Takes one input and says what is to be done, in order. */
  step(input: CandidateInput): readonly CandidateEffect[] {
    this.#effects = [];
    if (input.type === 'up') this.#turn(input.isUp);
    else if (input.type === 'stand') this.#stand(input.now);
    else if (this.#role !== 'aside') this.#take(input);
    return this.#effects;
  }

  describe(): CandidateView {
    return { role: this.#role, leader: this.#leader, silences: this.#silences };
  }

  #take(input: Exclude<CandidateInput, { readonly type: 'up' | 'stand' }>): void {
    switch (input.type) {
      case 'withdraw':
        this.#becomeAside();
        break;
      case 'held':
        if (input.claim === this.#claim) this.#becomeLeading(input.wall);
        break;
      case 'robbed':
        if (input.claim === this.#claim) this.#becomeFollowing(null, input.now);
        break;
      case 'heard':
        this.#hear(input.message, input.now);
        break;
      case 'tick':
        this.#tick(input.now);
        break;
    }
  }

  #stand(now: MonotonicMs): void {
    if (this.#role !== 'aside') return;
    this.#becomeFollowing(null, now);
    this.#emit({ type: 'say', message: { type: 'anyone', id: this.#id } });
  }

  #becomeAside(): void {
    this.#role = 'aside';
    this.#leader = null;
    this.#emit({ type: 'release' }, { type: 'aside' }, { type: 'wake', at: null });
  }

  #becomeLeading(wall: EpochMs): void {
    this.#role = 'leading';
    // The wall clock, for what was before anybody who is here now.
    this.#epochMax = Math.max(this.#epochMax + 1, wall);
    this.#leader = { id: this.#id, epoch: this.#epochMax, isUp: this.#isUp };
    this.#emit({ type: 'lead', epoch: this.#epochMax }, { type: 'wake', at: null });
    this.#announce();
  }

  #becomeFollowing(leader: Leader | null, now: MonotonicMs): void {
    this.#role = 'following';
    this.#leader = leader;
    this.#silences = 0;
    this.#claimLock(false);
    this.#emit({ type: 'follow', leader });
    this.#remind(now);
  }

  #turn(isUp: boolean): void {
    if (isUp === this.#isUp) return;
    this.#isUp = isUp;
    if (this.#role !== 'leading' || this.#leader === null) return;
    this.#leader = { ...this.#leader, isUp };
    this.#announce();
  }

  #hear(message: ElectionMessage, now: MonotonicMs): void {
    if (message.type === 'anyone') {
      if (this.#role === 'leading') this.#announce();
      return;
    }
    const { id, epoch, isUp } = message;
    if (id === this.#id) return;
    const known = this.#leader;
    this.#epochMax = Math.max(this.#epochMax, epoch);
    if (known !== null && isNewer(known, message)) {
      // One that was robbed while it was frozen learns of it.
      if (this.#role === 'leading') this.#announce();
      return;
    }
    const leader = { id, epoch, isUp };
    if (this.#role === 'leading') {
      this.#becomeFollowing(leader, now);
      return;
    }
    this.#hasHeard = true;
    this.#leader = leader;
    const isNews = known?.id !== id || known.epoch !== epoch || known.isUp !== isUp;
    if (isNews) this.#emit({ type: 'follow', leader });
  }

  #tick(now: MonotonicMs): void {
    if (this.#role !== 'following') return;
    this.#silences = this.#hasHeard ? 0 : this.#silences + 1;
    const isQuiet = !this.#hasHeard;
    this.#hasHeard = false;
    if (this.#silences >= silencesMax) {
      this.#silences = 0;
      this.#claimLock(true);
    } else if (isQuiet) {
      this.#emit({ type: 'say', message: { type: 'anyone', id: this.#id } });
    }
    this.#remind(now);
  }

  #claimLock(steal: boolean): void {
    this.#claim += 1;
    this.#emit({ type: 'claim', claim: this.#claim, steal });
  }

  #announce(): void {
    if (this.#leader !== null) {
      this.#emit({ type: 'say', message: { type: 'leader', ...this.#leader } });
    }
  }

  #remind(now: MonotonicMs): void {
    this.#emit({ type: 'wake', at: now + beatMs + this.#random() * jitterMs });
  }

  #emit(...effects: readonly CandidateEffect[]): void {
    this.#effects.push(...effects);
  }
}

function isNewer(a: Leader, b: Leader): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.id > b.id);
}

/** Whether something that came from another tab is a message of an election. */
export function isElectionMessage(message: unknown): message is ElectionMessage {
  if (!isObject(message) || typeof message['id'] !== 'string') return false;
  const { type, epoch, isUp } = message;
  if (type === 'anyone') return true;
  return type === 'leader' && typeof epoch === 'number' && typeof isUp === 'boolean';
}
