/** Ways in which what a feed is sent can be spoiled, each with the word that is broken then. */
export const feedMutants = {
  'an op is lost': 'reliable',
  'an op comes twice': 'unique',
  'two ops change places': 'ordered',
  'a part of a transaction is lost': 'atomic',
  'an op is of another path': 'filtered',
  'who comes back names a later op': 'gapless',
  'who comes back misses an op': 'resumable',
  'a present leaf is another': 'shown',
} as const;

/** One of {@link feedMutants}. */
export type FeedMutant = keyof typeof feedMutants;
