/** Ways in which a world of hosts can be spoiled: the word that its checkers then break, and a seed under which they do. */
export const hostMutants = {
  'what was at a seq is left out in part': { word: 'past', seed: 1 },
  'a difference is told the other way round': { word: 'past', seed: 1 },
  'a page of the log begins later': { word: 'past', seed: 1 },
  'what is taken back is another': { word: 'past', seed: 1 },
  'a server that is to close dies instead': { word: 'answered', seed: 1 },
  'a replica lacks an entry in the end': { word: 'converged', seed: 1 },
  'a cache is lost that was to be kept': { word: 'kept', seed: 10 },
  'nothing may wait for a socket': { word: 'bounded', seed: 1, isNarrow: true },
  'a server takes a clock that is set for the time': { word: 'exclusive', seed: 3, leaps: true },
} as const;

/** One of {@link hostMutants}. */
export type HostMutant = keyof typeof hostMutants;
