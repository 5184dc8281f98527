/** Ways in which a world of tabs can be spoiled: the word that its checkers then break, and a seed under which they do. */
export const browserMutants = {
  'an envelope is lost': { word: 'gapless', seed: 1 },
  'a value is another': { word: 'exact', seed: 1 },
  'a client overlooks an envelope': { word: 'shown', seed: 1 },
  'a step is lost': { word: 'fresh', seed: 1 },
  'a client overlooks a step': { word: 'shown', seed: 1 },
  'a row is left out': { word: 'converged', seed: 1 },
  'notes are shown to all': { word: 'hidden', seed: 1 },
  'a tab sits apart': { word: 'alone', seed: 1 },
  'a query is left open': { word: 'released', seed: 1 },
} as const;

/** One of {@link browserMutants}. */
export type BrowserMutant = keyof typeof browserMutants;
