import type { OldBug } from './old-bug.ts';

/** Those that worlds find in which rules are asked, others use the ids of a device, or rights are taken. */
export const ruleBugs: { readonly [what: string]: OldBug } = {
  'a write whose fate had been unknown was committed after the next, about which a rule had been asked':
    {
      mended: 'e89abe0',
      file: 'packages/engine/src/authority/queue.ts',
      now: 'this.#works = isBefore ? all : all.toSorted((a, b) => a.arrival - b.arrival);',
      was: 'this.#works = isBefore ? all : all;',
      worlds: 'machines',
      seed: 691,
      says: /inOrder/,
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
  'whoever lost the right to write was told that a write was refused, which had been committed': {
    mended: '274bc5f',
    file: 'packages/engine/src/replica/outbox.ts',
    now: '!unlooked.has(code);',
    was: 'true;',
    worlds: 'machines',
    seed: 147,
    says: /once: .* was refused \(missing_scope\)/,
  },
  'who could take a lock and not read it asked for it again without a pause': {
    mended: 'c1ee166f',
    file: 'packages/client/src/once.ts',
    now: "Number(lease.details['expires_at'] ?? env.wall() + outing.ttl)",
    was: "Number(lease.details['expires_at'])",
    worlds: 'locks',
    seed: 3,
    says: /time stands still/,
  },
};
