import { isObject } from '@holdfast/protocol';
import type { Problem } from '../../simulation/validators/history.ts';

const SHOWN_MAX = 5;

/** A bench whose clients were not told what happened: its figure is worth nothing. */
export class HistoryError extends Error {
  constructor(problems: readonly Problem[]) {
    const shown = problems.slice(0, SHOWN_MAX).map(({ word, text }) => `${word}: ${text}`);
    super([`its history is wrong in ${problems.length} places`, ...shown].join('\n  '));
    this.name = 'HistoryError';
  }
}

/** Whether an answer of another process is a list of problems. */
export function isProblems(answer: unknown): answer is readonly Problem[] {
  return Array.isArray(answer) && answer.every((each: unknown) => isObject(each) && 'word' in each);
}
