/** Ways in which a world of uploads can be spoiled, each with the word that its checkers then break. */
export const uploadMutants = {
  'a byte is another': 'intact',
  'who is told that it is there is wrong': 'told',
  'nobody is told that an entry is gone': 'listed',
  'what is taken stays there': 'once',
  'nobody is told how it ended': 'settled',
  'what nobody wants is left there': 'swept',
  'a piece is longer than it may be': 'calm',
} as const;

/** One of {@link uploadMutants}. */
export type UploadMutant = keyof typeof uploadMutants;
