import type { Refusal } from '@holdfast/protocol';

/** Content that is not taken in, for a reason of the closed table. */
export class ContentRefused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(`The content is not taken in: ${refusal.code}.`);
    this.name = 'ContentRefused';
    this.refusal = refusal;
  }
}
