import type { MonotonicMs } from '@holdfast/protocol';
import type { Draft } from './draft.ts';
import type { AuthorityEvent } from './types.ts';
import type { Work } from './work.ts';

/** What an authority is waiting for. */
export type Phase =
  | { readonly kind: 'idle' }
  /** A lookup failed; its requests are back in the queue. */
  | { readonly kind: 'resting'; readonly until: MonotonicMs }
  | {
      readonly kind: 'looking';
      readonly works: readonly Work[];
      readonly clients: ReadonlySet<string>;
    }
  | { readonly kind: 'appending'; readonly draft: Draft; readonly batch: number }
  /** Whether the log is still where the draft, which stores nothing, began. */
  | { readonly kind: 'confirming'; readonly draft: Draft }
  /** A read of the log is on its way, or comes again at that time. */
  | { readonly kind: 'following'; readonly again: MonotonicMs | null }
  /** The same, with a draft that is perhaps stored. */
  | { readonly kind: 'settling'; readonly draft: Draft; readonly again: MonotonicMs | null };

/** Nothing is on its way. */
export const idle: Phase = { kind: 'idle' };

const told = [
  'answered',
  'stored',
  'behind',
  'unknown',
  'failed',
  'followed',
  'unreadable',
] as const;

/** What the storage tells. */
export type Told = Extract<AuthorityEvent, { type: (typeof told)[number] }>;

const toldTypes: ReadonlySet<string> = new Set(told);

export function isTold(event: AuthorityEvent): event is Told {
  return toldTypes.has(event.type);
}

/** When something that failed is tried again. */
export function dueOf(phase: Phase): MonotonicMs | null {
  if (phase.kind === 'resting') return phase.until;
  return phase.kind === 'following' || phase.kind === 'settling' ? phase.again : null;
}
