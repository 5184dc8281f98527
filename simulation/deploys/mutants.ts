/** Ways in which a world of deploys can be spoiled, each with the word that its checkers then break. */
export const deployMutants = {
  'one object is left as it was': 'uniform',
  'a write is told of twice': 'settled',
  'an object is another': 'converged',
  'nobody may write any more': 'writable',
  'half of an errand is all that is done': 'errand',
} as const;

/** One of {@link deployMutants}. */
export type DeployMutant = keyof typeof deployMutants;
