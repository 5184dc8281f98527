/** Ways in which a world of holdings can be spoiled: the word that its checkers then break, and a seed under which they do. */
export const holdingMutants = {
  'bytes of an entry are lost': { word: 'together', seed: 1 },
  'bytes that a way back needs are lost': { word: 'retained', seed: 1 },
  'what nobody names is deleted at once': { word: 'grace', seed: 1 },
  'nothing is ever collected': { word: 'collected', seed: 2 },
  'somebody is of two orgs': { word: 'foreign', seed: 1 },
  'who knows a hash may name it': { word: 'named', seed: 4 },
  'the rules are forgotten': { word: 'barred', seed: 1 },
  'the rules are learned of late': { word: 'barred', seed: 7 },
  'a reader is given other bytes': { word: 'whole', seed: 1 },
  'an upload is said to be stored elsewhere': { word: 'stored', seed: 1 },
  'what nobody names goes when a clock is set': { word: 'grace', seed: 1, leaps: true },
} as const;

/** One of {@link holdingMutants}. */
export type HoldingMutant = keyof typeof holdingMutants;
