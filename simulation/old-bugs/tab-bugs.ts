import type { OldBug } from './old-bug.ts';

/** Those that worlds of tabs find whose pages freeze, whose rights change, and who decide about dead letters. */
export const tabBugs: { readonly [what: string]: OldBug } = {
  'a page that was frozen as it read its cache did without it when it thawed': {
    mended: '5f64d2f',
    file: 'packages/client/src/cache/keeping.ts',
    now: 'if (isLate) failed(',
    was: 'if (isLate || !isLate) failed(',
    worlds: 'tabs',
    seed: 9201056,
    says: /timeout: step cache/,
  },
  'the retry of a letter of a page that is gone was not stored': {
    mended: '8b0c916',
    file: 'packages/client/src/tabs/cache.ts',
    now: 'if (known === undefined) return [[opId, this.#held(request)]];',
    was: 'if (known === undefined) return holderOf(opId) === this.#ports.peers.session ? [[opId, request]] : [];',
    worlds: 'rights',
    seed: 19,
    says: /dead: /,
  },
  'tabs kept a store of which nothing might be read any more': {
    mended: '5977e1b',
    file: 'packages/client/src/tabs/cache.ts',
    now: 'if (image === null) return change.replaces ? change : null;',
    was: 'if (image === null) return null;',
    worlds: 'rights',
    seed: 1,
    says: /hidden: /,
  },
  'a letter that was discarded as soon as it was written again was committed': {
    mended: '5de5f0f',
    file: 'packages/client/src/outbox.ts',
    now: 'if (isOnItsWay && !open.cancel(opId)) return false;',
    was: 'if (isOnItsWay && this.#letter(opId) === undefined) return open.cancel(opId);',
    worlds: 'rights',
    seed: 201,
    says: /taken: /,
  },
  'what a tab was refused was sent by the one that had led before, when it thawed': {
    mended: '3f6c874',
    file: 'packages/client/src/tabs/serving.ts',
    now: 'this.#writes.resign();\n        break;',
    was: 'break;',
    worlds: 'rights',
    seed: 78098,
    says: /dead: /,
  },
  'what a tab that is gone had given the leading one was nowhere once it was refused': {
    mended: 'a29b145',
    file: 'packages/client/src/tabs/relayed-writes.ts',
    now: 'receipt.isListed = true;',
    was: '',
    // Whoever has lost the connection has nothing of a tab that is gone.
    beside: {
      file: 'packages/client/src/tabs/serving.ts',
      now: 'asks again.\n        this.#writes.resign();',
      was: 'asks again.',
    },
    worlds: 'rights',
    seed: 109,
    says: /is nowhere/,
  },
  'what a tab that was gone had given another to send stayed in the cache, though it was committed':
    {
      mended: '7f9cfeb',
      file: 'packages/client/src/tabs/leading.ts',
      now: 'cache.end(name, opId, state).catch(report);',
      was: '',
      beside: {
        file: 'packages/client/src/tabs/serving.ts',
        now: 'asks again.\n        this.#writes.resign();',
        was: 'asks again.',
      },
      worlds: 'tabs',
      seed: 465806786,
      says: /kept: /,
    },
  'a tab that was closed as another took over the cache left a timer running': {
    mended: '710d00a',
    file: 'packages/client/src/tabs/table.ts',
    now: 'this.#setReign(Infinity);\n    this.#peers',
    was: 'this.#peers',
    worlds: 'rights',
    seed: 327,
    says: /tab2 leaves 1 timers running/,
  },
};
