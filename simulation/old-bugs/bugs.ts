/** A mistake that a simulation found once, or would have: its switch brings it back. */
export type OldBug = {
  /** The commit that mended it. */
  readonly mended: string;
  readonly file: string;
  /** What the file says since, and what it said. */
  readonly now: string;
  readonly was: string;
  /** The worlds that find it, under a seed; and what they say. */
  readonly worlds: 'machines' | 'hosts' | 'files' | 'tabs';
  readonly seed: number;
  readonly says: RegExp;
};

/** Every switch, by what went wrong. */
export const oldBugs: { readonly [what: string]: OldBug } = {
  'a request passed one that was turned away, behind a retry that was still in the queue': {
    mended: '19a625a',
    file: 'packages/engine/src/authority/turn.ts',
    now: '  channel.barred = first;\n  return blocked(first);',
    was: '  if (channel.block === null) channel.barred = first;\n  return blocked(first);',
    worlds: 'machines',
    seed: 1419,
    says: /inOrder/,
  },
  'a write was cancelled that a former life had sent': {
    mended: '77efd76',
    file: 'packages/engine/src/replica/pending.ts',
    now: 'attempts: firstSentAt === null ? attempts : Math.max(1, attempts),',
    was: 'attempts,',
    worlds: 'machines',
    seed: 4,
    says: /once/,
  },
  'a path was told of a later op before an earlier one': {
    mended: '77efd76',
    file: 'packages/engine/src/replica/fold.ts',
    now: 'return this.touches(path) || this.#stale?.touched.touches(path) === true;',
    was: 'return this.touches(path);',
    worlds: 'machines',
    seed: 7,
    says: /ordered/,
  },
  'a lease went on beating when its client was closed': {
    mended: 'd875bad',
    file: 'packages/client/src/heartbeat.ts',
    now: 'if (!lost.signal.aborted) setAlarm(',
    was: 'setAlarm(',
    worlds: 'hosts',
    seed: 40,
    says: /leaves \d+ timers running/,
  },
  'a stream whose reader left amid a piece left a timer running': {
    mended: '81c3d81',
    file: 'packages/server/src/http/stream-of.ts',
    now: 'if (isOver) return;',
    was: '',
    worlds: 'files',
    seed: 8,
    says: /the server leaves \d+ timers running/,
  },
  'a tab heard nothing of its write that came back through another tab': {
    mended: 'b711526',
    file: 'packages/client/src/open-store.ts',
    now: 'found?.(this.#receipts.get(opId));',
    was: '',
    worlds: 'tabs',
    seed: 5,
    says: /has no outcome/,
  },
};
