/** Ways in which a world of edits can be spoiled, each with the word that its checkers then break. */
export const editMutants = {
  'an undo takes back what is of others': 'untouched',
  'an undo is left out': 'undone',
  'a flight tells of another value': 'flight',
  'a flight never lands': 'landed',
} as const;

/** One of {@link editMutants}. */
export type EditMutant = keyof typeof editMutants;
