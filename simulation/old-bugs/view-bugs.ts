import type { OldBug } from './old-bug.ts';

/** Those that worlds of views and uploads find. */
export const viewBugs: { readonly [what: string]: OldBug } = {
  'a task of a view and a render below it each missed what the other changed': {
    mended: 'e8f941b',
    file: 'packages/engine/src/view/instance/layer.ts',
    now: 'for (const cell of this.cells) cell.refresh(this);',
    was: '',
    worlds: 'views',
    seed: 5,
    says: /whole: .* titles after/,
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
  'a file that was cancelled while what came before it was taken was visited all the same': {
    mended: 'bdc95c6',
    file: 'packages/engine/src/view/instance/uploads.ts',
    now: "if (!isThere || entry.status !== 'success' || entry.isTaken) continue;",
    was: "if (entry.status !== 'success' || entry.isTaken) continue;",
    worlds: 'uploads',
    seed: 500082,
    says: /intact: /,
  },
  'a tab that had lost the lead took itself from a topic for another, whom it waited for': {
    mended: '7f23791',
    file: 'packages/client/src/presence/share.ts',
    now: `        this.#waitNoLonger();
        this.#dismiss(`,
    was: '        this.#dismiss(',
    worlds: 'presence',
    seed: 17,
    says: /dropped: /,
  },
};
