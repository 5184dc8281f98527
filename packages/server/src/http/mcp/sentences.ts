import { refusals } from '@holdfast/protocol';
import { listOfOps } from './ops.ts';

const own: { readonly [code: string]: string } = {
  not_found:
    'There is no such thing here, or you may not know of it; holdfast_stores lists the stores that you may use.',
  'invalid op': `There is no such op. There are ${listOfOps('and')}.`,
  invalid_precondition:
    'A guard is malformed. There are if_match: a revision, if_absent: true, exists: true and equals: a value, one of them beside a path; and fence: {key, token}.',
  empty_segment:
    'A path may not have an empty segment: write posts/hello, without a slash at the beginning or the end, or two in a row.',
  unknown_tool: 'There is no tool of this name; tools/list names them all.',
  name_taken: 'There is a store of this name already; take another.',
  invalid_store: 'A store is named org/name, of an org of yours, in lower-case letters and digits.',
  compacted: 'The log does not reach back that far any more; compare with a later seq.',
  idempotency_in_progress:
    'The call with this op_id is still being answered; repeat it in a moment.',
  idempotency_key_reuse: 'This op_id was used for another call; take a new one.',
  idempotency_answer_sealed: 'It was done, but its answer is told to the token that asked only.',
  idempotency_outcome_unknown:
    'Nobody knows whether it was done: look, then ask under a new op_id.',
};

const sentences = new Map<string, string>([
  ...Object.entries(refusals).map(([reason, { says }]) => [reason, says] as const),
  ...Object.entries(own),
]);

/** What a code means and what to do, for a model to read; undefined for a code of the application. */
export function sentenceOf(code: string): string | undefined {
  return sentences.get(code);
}
