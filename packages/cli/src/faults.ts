import { HoldfastError, RejectedError } from '@holdfast/client';
import { failureOf } from './failure.ts';
import { type Output, printable } from './output.ts';

/**
 * Tells what a client of a command reports beside what it is asked, on one line. What ends the command is told by the
 * command, once; a refusal likewise.
 */
export function tellFaults(output: Output): (error: unknown) => void {
  return (error) => {
    if (error instanceof RejectedError) return;
    if (error instanceof HoldfastError && error.retry !== 'later') return;
    const warning = failureOf(error).message;
    output.aside({ warning }, (paint) => paint.yellow(printable(warning)));
  };
}
