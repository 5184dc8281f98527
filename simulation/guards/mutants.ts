/** Ways in which a world of guards can be spoiled, each with the word that its checkers then break. */
export const guardMutants = {
  'a guard is forgotten': 'guarded',
  'a transaction is torn': 'whole',
  'a coin is made': 'balanced',
  'somebody is refused for nothing': 'refused',
  'what is acknowledged is not there': 'kept',
  'who holds nothing writes what is fenced': 'exclusive',
  'a waiter is forgotten': 'landed',
  'a value is another': 'converged',
} as const;

/** One of {@link guardMutants}. */
export type GuardMutant = keyof typeof guardMutants;
