import { randomUUID } from 'node:crypto';
import type { Advice, Question } from '@holdfast/engine/data';
import { type Refusal, refuse } from '@holdfast/protocol';
import type { Clock } from './clock.ts';

const TIMEOUT_MS = 5000;
const RETRY_AFTER_MS = 1000;

/** Waits for what has to be asked about a request (records.md §11.3). It never rejects, and never takes for ever. */
export async function adviceOn(
  questions: readonly Question[],
  { clock, report }: { readonly clock: Clock; readonly report: (what: string, e: unknown) => void },
): Promise<Advice> {
  const timeout = deadline(clock);
  const answer = async ({ key, verdict }: Question): Promise<[string, Refusal | null]> => {
    try {
      return [key, await Promise.race([verdict, timeout.late])];
    } catch (error) {
      // The key tells of what stands there, which whoever writes may not see.
      const errorId = randomUUID();
      report(`a rule of a record failed (error_id ${errorId})`, error);
      return [key, refuse('internal_error', { error_id: errorId })];
    }
  };
  const advice = new Map(await Promise.all(questions.map(answer)));
  timeout.stop();
  return advice;
}

/** Refuses for now what may not go on: whoever sends it again goes by the rights of then. */
export function refusingAll(questions: readonly Question[]): Advice {
  const refusal = refuse('unavailable', { retry_after_ms: RETRY_AFTER_MS });
  return new Map(questions.map(({ key }) => [key, refusal]));
}

function deadline(clock: Clock): { readonly late: Promise<Refusal>; stop(): void } {
  const refusal = refuse('overloaded', { retry_after_ms: RETRY_AFTER_MS });
  let timer: unknown = null;
  const late = new Promise<Refusal>((resolve) => {
    timer = clock.setTimeout(() => resolve(refusal), TIMEOUT_MS);
  });
  return { late, stop: () => clock.clearTimeout(timer) };
}
