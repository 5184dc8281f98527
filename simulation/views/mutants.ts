/** Ways in which a world of views can be spoiled, each with the word that its checkers then break. */
export const viewMutants = {
  'an envelope is lost': 'gapless',
  'an envelope comes twice': 'gapless',
  'an envelope is lost, and all that follow it': 'converged',
  'a command is refused for nothing': 'calm',
  'a value is another': 'exact',
  'a child is left out': 'exact',
  'a stream op is lost': 'streams',
  'an event comes again': 'events',
  'a command runs twice': 'once',
  'a client overlooks an envelope': 'shown',
  'params become what they were': 'params',
  'whoever comes back is not known': 'kept',
  'a command fails for what another task did': 'whole',
} as const;

/** One of {@link viewMutants}. */
export type ViewMutant = keyof typeof viewMutants;

type Envelope = { ops: Op[]; stream_ops: unknown[]; events: unknown[] };
type Op = { op: string; path: string; value?: unknown };

/** What a spoiled network makes of an envelope on its way; null: there is nothing in it to spoil. */
export function spoiled(mutant: ViewMutant | null, text: string): readonly string[] | null {
  if (mutant === null || !text.includes('"patch"')) return null;
  const frame = JSON.parse(text) as [unknown, unknown, unknown, string, Envelope];
  const envelope = frame[4];
  const isWhole = envelope.ops[0]?.path === '';
  if (mutant === 'an envelope is lost') return isWhole ? null : [];
  if (mutant === 'an envelope comes twice') return isWhole ? null : [text, text];
  if (!change(mutant, envelope, isWhole)) return null;
  return [JSON.stringify(frame)];
}

function change(mutant: ViewMutant, envelope: Envelope, isWhole: boolean): boolean {
  const { ops, stream_ops: streamOps, events } = envelope;
  if (mutant === 'a value is another') {
    const op = ops.find(({ path }) => path.endsWith('/mark') || path.endsWith('/title'));
    if (op !== undefined) op.value = 'another';
    return op !== undefined;
  }
  if (mutant === 'params become what they were') {
    const op = ops.find(({ path }) => path === '/n');
    if (op !== undefined) op.value = 0;
    return op !== undefined;
  }
  if (mutant === 'a child is left out') {
    const kept = ops.filter(({ op, path }) => op !== 'add' || !path.startsWith('/cards/'));
    envelope.ops = kept;
    return kept.length < ops.length;
  }
  if (mutant === 'a stream op is lost') return !isWhole && streamOps.pop() !== undefined;
  if (mutant === 'an event comes again' && events.length > 0) return events.push(events[0]) > 0;
  return false;
}
