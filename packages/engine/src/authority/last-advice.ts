import type { Refusal } from '@holdfast/protocol';
import type { Advice } from '../data/index.ts';
import { overloaded } from './turn.ts';

/** The last that is heard about a request: others change it faster than it can be judged, so nothing is asked anew. */
export class LastAdvice extends Map<string, Refusal | null> implements Advice {
  override get(key: string): Refusal | null {
    const known = super.get(key);
    return known === undefined ? overloaded() : known;
  }
}
