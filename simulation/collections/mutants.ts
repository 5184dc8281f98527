/** Ways in which a world of collections can be spoiled: the word that its checkers then break, and a seed under which they do. */
export const collectionMutants = {
  'a step is lost': { word: 'fresh', seed: 1 },
  'rows come in another order': { word: 'fresh', seed: 1 },
  'there is more, and nobody is told': { word: 'fresh', seed: 1 },
  'a client overlooks a step': { word: 'shown', seed: 1 },
  'a value is of another kind': { word: 'calm', seed: 1 },
  'a value is another': { word: 'shown', seed: 4 },
  'a value is another to whom not all is shown': { word: 'shown', seed: 6 },
  'something older is shown again': { word: 'monotone', seed: 1 },
  // Where something is hidden all is sent again by a server that was started anew.
  'a client says to have what it has not': { word: 'shown', seed: 4, isOpen: true },
  'notes are shown to all': { word: 'hidden', seed: 3 },
  'closed rooms are shown to all': { word: 'hidden', seed: 3 },
  'rights stay as they were': { word: 'hidden', seed: 1 },
  'an own write is not laid over': { word: 'overlaid', seed: 1 },
  'a row is left out': { word: 'converged', seed: 1 },
  'a query is left open': { word: 'released', seed: 1 },
} as const;

/** One of {@link collectionMutants}. */
export type CollectionMutant = keyof typeof collectionMutants;

/** Whether something is spoiled now in a way. */
export type Spoil = (mutant: CollectionMutant) => boolean;
