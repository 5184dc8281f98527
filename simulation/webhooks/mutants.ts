/** Ways in which what a receiver is sent can be spoiled, each with the word that is broken then. */
export const webhookMutants = {
  'a delivery is lost': 'reliable',
  'a delivery comes twice': 'repeated',
  'two deliveries change places': 'ordered',
  'what was refused is not sent again': 'ordered',
  'a delivery tells another value': 'true',
  'a signature is another': 'signed',
  'a delivery has another name': 'named',
} as const;

/** One of {@link webhookMutants}. */
export type WebhookMutant = keyof typeof webhookMutants;
