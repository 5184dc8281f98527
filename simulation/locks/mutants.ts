/** Ways in which a world of locks can be spoiled, each with the word that its checkers then break. */
export const lockMutants = {
  'rights come late': 'barred',
  'who holds nothing writes what is fenced': 'exclusive',
  'two have the lock': 'believed',
  'who is fenced is not told': 'told',
  'a waiter is forgotten': 'landed',
  'the lock is kept for good': 'free',
} as const;

/** One of {@link lockMutants}. */
export type LockMutant = keyof typeof lockMutants;
