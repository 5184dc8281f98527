/** Ways in which a world of upgrades can be spoiled, each with the word that its checkers then break. */
export const upgradeMutants = {
  'a letter gets lost': 'kept',
  'a write gets lost that was acknowledged': 'once',
  'what is committed is a letter, too': 'dead',
  'a letter comes from nowhere': 'known',
  'what waits is left as it was': 'migrated',
  'a server is asked for something else': 'same',
  'nobody is asked': 'asked',
  'who has decided is asked once more': 'decided',
  'a letter goes with its process': 'lasting',
  'a guard is forgotten': 'stale',
  'a value is another': 'converged',
} as const;

/** One of {@link upgradeMutants}. */
export type UpgradeMutant = keyof typeof upgradeMutants;
