/** Ways in which a world of holdings can be spoiled, each with the word that its checkers then break. */
export const holdingMutants = {
  'bytes of an entry are lost': 'together',
  'bytes that a way back needs are lost': 'retained',
  'what nobody names is deleted at once': 'grace',
  'nothing is ever collected': 'collected',
  'somebody is of two orgs': 'foreign',
  'who knows a hash may name it': 'named',
  'the rules are forgotten': 'barred',
  'the rules are learned of late': 'barred',
  'a reader is given other bytes': 'whole',
  'an upload is said to be stored elsewhere': 'stored',
} as const;

/** One of {@link holdingMutants}. */
export type HoldingMutant = keyof typeof holdingMutants;
