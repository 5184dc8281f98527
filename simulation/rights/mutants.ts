/** Ways in which a world of rights can be spoiled, each with the word that its checkers then break. */
export const rightsMutants = {
  'answers are forgotten': 'once',
  'a write gets lost that was kept': 'kept',
  'a write is taken back by word alone': 'taken',
  'what is hidden stays in the cache': 'hidden',
  'a value is another': 'converged',
  'rights come late': 'converged',
  'a part is shown before it is here': 'whole',
  'what is committed is a letter, too': 'dead',
  'a page is told nothing of a part': 'told',
} as const;

/** One of {@link rightsMutants}. */
export type RightsMutant = keyof typeof rightsMutants;
