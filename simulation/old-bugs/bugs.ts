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
    | 'past'
    | 'files'
    | 'parts'
    | 'views'
    | 'records'
    | 'collections'
    | 'open'
    | 'tabs'
    | 'takeovers'
    | 'denials'
    | 'windows'
    | 'packs'
    | 'anew'
    | 'uploads'
    | 'browsers';
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
    seed: 950,
    says: /inOrder/,
  },
  'a write was cancelled that a former life had sent': {
    mended: '77efd76',
    file: 'packages/engine/src/replica/pending.ts',
    now: 'const attempts = known.firstSentAt === null ? known.attempts : Math.max(1, known.attempts);',
    was: 'const { attempts } = known;',
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
    seed: 36,
    says: /leaves \d+ timers running/,
  },
  'a stream whose reader left amid a piece left a timer running': {
    mended: '81c3d81',
    file: 'packages/server/src/http/stream-of.ts',
    now: 'if (isOver) return;',
    was: '',
    worlds: 'files',
    seed: 5,
    says: /the server leaves \d+ timers running/,
  },
  'a tab heard nothing of its write that came back through another tab': {
    mended: 'b711526',
    file: 'packages/client/src/open-store.ts',
    now: 'else found(this.#receipts.get(opId));',
    was: '',
    worlds: 'tabs',
    seed: 5,
    says: /has no outcome/,
  },
  'a host was woken at once, over and over, for a retry that waited for an answer': {
    mended: '004d004',
    file: 'packages/engine/src/replica/outbox.ts',
    now: 'if (!this.isJoined || this.unsent === 0 || this.#isHeldUp) return;',
    was: `if (!this.isJoined || this.unsent === 0) return;
      const [next] = [...this.queue.values()].filter(isUnsent);
      if (next?.status.state === 'waiting') this.#retryAt = next.status.until;
      if (this.#isHeldUp) return;`,
    worlds: 'machines',
    seed: 7,
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
    says: /shown: |converged: /,
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
  'a record stayed denied when it came back in a major that cannot be read': {
    mended: '67ef5a1',
    file: 'packages/engine/src/record/reconciler.ts',
    now: 'this.#isDenied = false;\n        this.#skewed(answer.server_version);',
    was: 'this.#skewed(answer.server_version);',
    worlds: 'denials',
    seed: 1,
    says: /stranger, .* shows "denied" instead of "skew"/,
  },
  'a denial outlived the token that it was about': {
    mended: '67ef5a1',
    file: 'packages/client/src/link/sse/line.ts',
    now: "if (answer.type === 'denied') this.changed();",
    was: '',
    worlds: 'denials',
    seed: 1,
    says: /reader, .* shows "denied" instead of/,
  },
  'an own write of a store that is no more stayed on screen': {
    mended: '67ef5a1',
    file: 'packages/client/src/records/own-writes.ts',
    now: '(of ?? incarnation) === (incarnation ?? of) ? seq > sequence : over === incarnation,',
    was: 'seq > sequence,',
    worlds: 'anew',
    seed: 6,
    says: /converged: (bus|events), /,
  },
  'what a transaction added was shown twice, as another object of it came later': {
    mended: '880b5b3',
    file: 'packages/client/src/records/own-writes.ts',
    now: 'const seq = seqAt(this.#ref.path, request, outcome.reply);',
    was: "const seq = 'store_seq' in outcome.reply ? outcome.reply.store_seq : null;",
    worlds: 'records',
    seed: 21,
    says: /converged: events, /,
  },
  'a change of a window was applied after commits that it came before': {
    mended: '8f5b441',
    file: 'packages/engine/src/replica/following.ts',
    now: 'queries?.reached(commit.seq - 1);',
    was: '',
    worlds: 'windows',
    seed: 1,
    says: /window: after a frame/,
  },
  'the rows of an old change of a window rolled a newer snapshot back': {
    mended: '8f5b441',
    file: 'packages/engine/src/replica/queries.ts',
    now: 'this.#take({ ...delta, entries: [], maps: [] });',
    was: 'this.#take(delta);',
    worlds: 'windows',
    seed: 12,
    says: /window: after a frame/,
  },
  'a row that left its window and came back before a snapshot was empty': {
    mended: '301c368',
    file: 'packages/engine/src/replica/queries.ts',
    now: 'this.#rows.count(touched);',
    was: 'touched.length = 0;',
    worlds: 'windows',
    seed: 12,
    says: /window: after a frame/,
  },
  'a snapshot that lacks a row took the others of its window along': {
    mended: 'f0abfa3',
    file: 'packages/engine/src/replica/queries.ts',
    now: 'const isOpen = live.opened !== null || live.asked !== null;',
    was: 'const isOpen = false;\n      if (live.shown !== null && !isWhole(live.shown)) live.opened = null;',
    worlds: 'windows',
    seed: 1,
    says: /nothing is left of it/,
  },
  'a tab joined only at the next event': {
    mended: '7623b34',
    file: 'packages/client/src/tabs/serving.ts',
    now: '    // A reply, too, may be what the replica has waited for.\n    this.#decide();',
    was: "    if (news.type === 'message') this.#decide();",
    worlds: 'takeovers',
    seed: 1,
    says: /late: the tab that leads/,
  },
  'a second tab got what the first had left of a state': {
    mended: 'a9653e7',
    file: 'packages/client/src/tabs/serving.ts',
    now: '    for (const joining of this.#joining) {\n      const { reply } = this.#hub;\n      // One for each: it can be read once.\n      const image = this.#store?.replica?.image();',
    was: '    const image = this.#store?.replica?.image();\n    for (const joining of this.#joining) {\n      const { reply } = this.#hub;',
    worlds: 'tabs',
    seed: 8,
    says: /the cache holds/,
  },
  'a frame of MessagePack that filled its buffer lost a byte': {
    mended: 'df4e05b',
    file: 'packages/protocol/src/codec/messagepack-writer.ts',
    now: 'const at = this.#reserve(1);\n    this.#bytes[at] = byte;',
    was: 'this.#bytes[this.#reserve(1)] = byte;',
    worlds: 'packs',
    seed: 1,
    says: /packed/,
  },
  'a task of a view and a render below it each missed what the other changed': {
    mended: 'e8f941b',
    file: 'packages/engine/src/view/instance/layer.ts',
    now: 'for (const cell of this.cells) cell.refresh(this);',
    was: '',
    worlds: 'views',
    seed: 5,
    says: /whole: .* titles after/,
  },
  'a tab that led no more left timers of what it had followed for others running': {
    mended: '8363e74',
    file: 'packages/client/src/tabs/windows.ts',
    now: 'this.#stop(source);\n    this.#sources.delete(source.text);',
    was: 'this.#sources.delete(source.text);',
    worlds: 'browsers',
    seed: 2,
    says: /leaves \d+ timers running/,
  },
  'a tab that was closed while nobody led left a timer running': {
    mended: '8363e74',
    file: 'packages/client/src/tabs/link.ts',
    now: 'env.clearTimeout(patience);',
    was: '',
    worlds: 'browsers',
    seed: 1,
    says: /leaves 1 timers running/,
  },
  'a write that only its answer ended left its row pending for good': {
    mended: '63fbbe8',
    file: 'packages/client/src/records/live-set.ts',
    now: 'this.#leave = this.#counted();',
    was: 'this.#leave = () => undefined;',
    worlds: 'collections',
    seed: 1,
    says: /counted: /,
  },
  'a server left timers running for those who might have come back': {
    mended: '3f249a3',
    file: 'packages/server/src/socket/sockets.ts',
    now: 'this.#room.fanouts.close(this.#room);',
    was: '',
    worlds: 'collections',
    seed: 1,
    says: /the server leaves \d+ timers running/,
  },
  'rows were dropped that a pattern covers since the same snapshot': {
    mended: '616cbf4',
    file: 'packages/engine/src/replica/following.ts',
    now: `    this.#settle();
    this.#requests.caughtUp(seq);
    const { before, after } = fold.replace(tree, seq);
    const isRevoked = this.#isNarrowed && hasLost(before.committed, after.committed);
    if (isRevoked) emit({ type: 'revoked', patterns: extent.held, refusal: null });
    // What is held by now says which rows stay that no query has any more.
    queries?.replaced(seq);`,
    was: `this.#requests.caughtUp(seq);
    const { before, after } = fold.replace(tree, seq);
    const isRevoked = this.#isNarrowed && hasLost(before.committed, after.committed);
    if (isRevoked) emit({ type: 'revoked', patterns: extent.held, refusal: null });
    queries?.replaced(seq);
    this.#settle();`,
    worlds: 'open',
    seed: 7,
    says: /converged: |shown: /,
  },
  'a follower missed what the log forgot while it was read': {
    mended: 'e25ead5',
    file: 'packages/server/src/socket/delivery.ts',
    now: 'if (ops[0]?.seq !== cursor + 1) return',
    was: 'if (to < 0) return',
    worlds: 'past',
    seed: 23,
    says: /reliable: .* is never told/,
  },
  'whoever had changed its params came back to nothing': {
    mended: '5bddb3f',
    file: 'packages/server/src/views/roots.ts',
    now: 'if (found !== null) found.place = next;',
    was: 'void next;',
    worlds: 'views',
    seed: 3,
    says: /kept: .* nobody knew of that/,
  },
  'a command was taken back for what another task had done': {
    mended: '940ac65',
    file: 'packages/engine/src/view/instance/cycles.ts',
    now: 'const culprit = culpritOf(failure, layers, byReads);',
    was: 'const culprit = layers.at(-1);',
    worlds: 'views',
    seed: 1,
    says: /whole: it answers for another: .* command (say|flip) /,
  },
  'rows that a client had said to have were dropped before the answer to that': {
    mended: '616cbf4',
    file: 'packages/engine/src/replica/queries.ts',
    now: 'const isOpen = live.opened !== null || live.asked !== null;',
    was: 'const isOpen = live.opened !== null;',
    worlds: 'windows',
    seed: 31,
    says: /window: after an answer to who has come back/,
  },
  'a piece that was being read when the connection was lost was sent where the upload went on': {
    mended: '3e2cb9e',
    file: 'packages/client/src/views/channel-transfer.ts',
    now: 'if (channel !== this.#channel) return;',
    was: '',
    worlds: 'uploads',
    seed: 1,
    says: /an upload failed as/,
  },
  'an upload waited for ever for a view that was left': {
    mended: '3e2cb9e',
    file: 'packages/client/src/views/transfers.ts',
    now: 'if (isFailed || this.#root.mount !== mount) abort.abort();',
    was: 'if (isFailed) abort.abort();',
    worlds: 'uploads',
    seed: 5,
    says: /settled: /,
  },
  'a tab was brought nothing of a part that was added after it had changed': {
    mended: '061bec7',
    file: 'packages/client/src/tabs/serving.ts',
    now: `    if (isObject(payload) && typeof payload['seq'] === 'number') this.#tail.cut(payload['seq']);
    if (!this.#additions.has(message)) this.shut();`,
    was: `    if (this.#additions.has(message)) return;
    if (isObject(payload) && typeof payload['seq'] === 'number') this.#tail.cut(payload['seq']);
    this.shut();`,
    worlds: 'browsers',
    seed: 95375054,
    says: /shown: ada/,
  },
  'a server that is closed left the connections open that were brought to it': {
    mended: '6eec1ba',
    file: 'packages/server/src/listen.ts',
    now: 'for (const socket of this.#open) socket.destroy();',
    was: 'this.#http.closeAllConnections();',
    worlds: 'files',
    seed: 4,
    says: /the server leaves \d+ timers running/,
  },
};
