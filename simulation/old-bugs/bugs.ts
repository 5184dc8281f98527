/** A mistake that a simulation found once, or would have: its switch brings it back. */
export type OldBug = {
  /** The commit that mended it. */
  readonly mended: string;
  readonly file: string;
  /** What the file says since, and what it said. */
  readonly now: string;
  readonly was: string;
  /** The worlds that find it, under a seed; and what they say. */
  readonly worlds:
    | 'machines'
    | 'authorities'
    | 'counts'
    | 'hosts'
    | 'files'
    | 'parts'
    | 'views'
    | 'records'
    | 'collections'
    | 'tabs';
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
  'a host was woken at once, over and over, for a retry that waited for an answer': {
    mended: '004d004',
    file: 'packages/engine/src/replica/outbox.ts',
    now: 'if (this.#unsent === 0 || this.#isHeldUp) return Infinity;',
    was: 'if (this.#unsent === 0) return Infinity;',
    worlds: 'machines',
    seed: 3,
    says: /stands still/,
  },
  'a batch whose fate was unknown was decided anew, after what it preceded': {
    mended: '99c24a3',
    file: 'packages/engine/src/authority/authority.ts',
    now: 'if (draft.isIn(fresh)) this.#commit(draft);',
    was: 'if (draft.isIn(fresh)) this.#retry(draft);',
    worlds: 'authorities',
    seed: 293,
    says: /inOrder/,
  },
  'an increment was shown twice until its answer came': {
    mended: '5d44228',
    file: 'packages/engine/src/replica/following.ts',
    now: "if (event === 'snapshot_end' && this.#requests.mayCountTwice) this.#held ??= [];",
    was: '',
    worlds: 'counts',
    seed: 16,
    says: /grows/,
  },
  'what was gone hid that what has come cannot be read': {
    mended: '67ef5a1',
    file: 'packages/engine/src/record/reconciler.ts',
    now: 'if (this.#isGone && this.#recovery.lack === null)',
    was: 'if (this.#isGone)',
    worlds: 'records',
    seed: 1,
    says: /converged/,
  },
  'the end of a window stayed where its last row had been': {
    mended: '5b58f9a',
    file: 'packages/client/src/records/live-set.ts',
    now: 'const endCursor = this.#cursorAt(replica, rows.at(-1)) ?? sight.endCursor;',
    was: 'const { endCursor } = sight;',
    worlds: 'collections',
    seed: 1,
    says: /converged/,
  },
  'the read rule was asked of no object, and its failure told of': {
    mended: '5b58f9a',
    file: 'packages/engine/src/gate/veil.ts',
    now: 'const sees = this.#visible(item.def, { ...item.params, ...params }, {});',
    was: 'const { sees } = this.#look({ item, path: item.def.path as never, params }, {});',
    worlds: 'collections',
    seed: 1,
    says: /needs a non-empty string/,
  },
};
