import type { OldBug } from './old-bug.ts';

/** Those that worlds find in which rules are asked, and others use the ids of a device. */
export const ruleBugs: { readonly [what: string]: OldBug } = {
  'a write whose fate had been unknown was committed after the next, about which a rule had been asked':
    {
      mended: 'e89abe0',
      file: 'packages/engine/src/authority/queue.ts',
      now: 'this.#works = isBefore ? all : all.toSorted((a, b) => a.arrival - b.arrival);',
      was: 'this.#works = isBefore ? all : all;',
      worlds: 'machines',
      seed: 350,
      says: /inOrder/,
    },
  'a write was committed whose repeat had been refused, while a rule was asked about it': {
    mended: 'e89abe0',
    file: 'packages/engine/src/authority/turn.ts',
    now: 'repeated(work) ?? work.told ?? barrier',
    was: 'repeated(work) ?? barrier',
    worlds: 'machines',
    seed: 221,
    says: /once: .* was refused/,
  },
  'a write was taken for committed, as somebody else had used its id': {
    mended: 'd369c9c',
    file: 'packages/engine/src/replica/requests.ts',
    now: 'if (isOwn && isAskedBy(pending, op)) return pending;',
    was: 'if (isOwn) return pending;',
    worlds: 'machines',
    seed: 2,
    says: /once: .* was acknowledged/,
  },
};
