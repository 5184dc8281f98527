/** Ways in which a world of transfers can be spoiled, each with the word that its checkers then break. */
export const transferMutants = {
  'half of a payment is all that is made': 'ledger',
  'a payment rests on what was there before': 'ledger',
  'what was refused is paid all the same': 'paid',
  'a payment that was made is not there': 'paid',
  'a payment never ends': 'ended',
  'a write is told of twice': 'settled',
  'an account is shown as another': 'converged',
  'a tab sits apart': 'alone',
  'a rule is not minded': 'ruled',
  'a leaf is written without its row': 'ledger',
} as const;

/** One of {@link transferMutants}. */
export type TransferMutant = keyof typeof transferMutants;
