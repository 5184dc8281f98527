/** Ways in which one of two who are told at once can be told wrongly, each with the word that is broken then. */
export const twinMutants = {
  'one is told of what is for the other': 'more',
  'one is not told, as the other may not be': 'less',
  'one is not shown what the other may not see': 'shown',
  'one is answered as the other': 'answered',
} as const;

/** One of {@link twinMutants}. */
export type TwinMutant = keyof typeof twinMutants;
