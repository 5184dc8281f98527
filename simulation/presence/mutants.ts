/** Ways in which a world of presence can be spoiled, each with the word that its checkers then break. */
export const presenceMutants = {
  'somebody is not let on the topic': 'settled',
  'a right is not taken back': 'hidden',
  'who has left is shown again': 'ghost',
  'somebody is left out': 'dropped',
  'a state is an older one': 'last',
  'who leaves tells nobody': 'gone',
  'who is cut off is gone at once': 'grace',
} as const;

/** One of {@link presenceMutants}. */
export type PresenceMutant = keyof typeof presenceMutants;
