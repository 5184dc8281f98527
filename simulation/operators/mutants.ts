/** Ways in which a world of operators can be spoiled, each with the word that its checkers then break. */
export const operatorMutants = {
  'a count that is sent again has another key': 'exact',
  'a clone is begun anew, and left empty': 'exact',
  'a store that is there is not listed': 'listed',
  'a name is asked for twice': 'told',
  'an act is not noted': 'noted',
  'what is kept for a day ends when a clock is set': 'told',
} as const;

/** One of {@link operatorMutants}. */
export type OperatorMutant = keyof typeof operatorMutants;
