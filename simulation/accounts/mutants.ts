/** Ways in which a world of accounts can be spoiled, each with the word that its checkers then break. */
export const accountMutants = {
  'a cache knows no principals': 'apart',
  'a token is that of somebody else': 'signed',
  'a write gets lost that was kept': 'kept',
  'answers are forgotten': 'once',
  'a value is another': 'converged',
} as const;

/** One of {@link accountMutants}. */
export type AccountMutant = keyof typeof accountMutants;
