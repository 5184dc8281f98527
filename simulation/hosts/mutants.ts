/** Ways in which a world of hosts can be spoiled, each with the word that its checkers then break. */
export const hostMutants = {
  'what was at a seq is left out in part': 'past',
  'a difference is told the other way round': 'past',
  'a page of the log begins later': 'past',
  'what is taken back is another': 'past',
  'a server that is to close dies instead': 'answered',
} as const;

/** One of {@link hostMutants}. */
export type HostMutant = keyof typeof hostMutants;
