import type { Store } from '@holdfast/client';
import { type Command, defineCommand, type Surroundings } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { interruption } from '../interrupt.ts';
import { printable, shortValue } from '../output.ts';
import { withStore } from '../session.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readInteger, readOptional } from '../values.ts';

/** What may wait while the reader of a pipe is slow; beyond it the command ends rather than leave something out. */
const queueMax = 100_000;

export const command: Command = defineCommand({
  summary: 'Follow changes as they happen, until Ctrl-C.',
  args: {
    store: storeArg,
    pattern: { type: 'positional', default: '**', description: 'Which paths, as for "entries"' },
    current: { type: 'boolean', description: 'Begin with what is there' },
    count: { type: 'string', valueHint: 'N', description: 'End after so many' },
    ...connectionArgs,
  },
  examples: ["holdfast watch demo/main 'users/**'", 'holdfast watch demo/main --count 1 --json'],
  async run(args, around) {
    const name = readStoreName(args.store);
    const count = readOptional(args.count, (text) => readInteger(text, '--count', { min: 1 }));
    const { signal, stop } = interruption();
    try {
      const of = { name, output: around.output, scope: [args.pattern] };
      await withStore(endpointOf(args, around.terminal), of, (store) =>
        follow(store, { ...args, count: count ?? Infinity }, { ...around, signal }),
      );
    } finally {
      stop();
    }
  },
});

type Follow = { readonly pattern: string; readonly current: boolean; readonly count: number };
type Around = Surroundings & { readonly signal: AbortSignal };

async function follow(
  store: Store,
  { pattern, current, count }: Follow,
  around: Around,
): Promise<void> {
  const { output, signal } = around;
  const refused = new AbortController();
  const release = reportConnection(store, { output, refused });
  const ended = AbortSignal.any([signal, refused.signal]);
  const events = store.watch(pattern, {
    includeCurrent: current,
    maxQueue: queueMax,
    signal: ended,
  });
  output.aside({ watching: pattern, store: store.name }, (paint) =>
    paint.dim(`Watching ${printable(pattern)} in ${store.name}. Ctrl-C stops.`),
  );
  let seen = 0;
  try {
    for await (const { path, op, value, type, seq } of events) {
      output.record({ path, op, value: value ?? null, type: type ?? null, seq }, (paint) => {
        const shown = value === undefined ? '' : shortValue(value);
        const at = paint.dim(String(seq ?? '').padStart(6));
        return `${at}  ${op.padEnd(9)}  ${paint.cyan(printable(path))}  ${shown}`.trimEnd();
      });
      seen += 1;
      if (seen >= count) break;
    }
  } catch (error) {
    // Ctrl-C is how a watch ends.
    if (!signal.aborted) throw error;
  } finally {
    release();
  }
}

/** Tells of lost connections, through which the watch goes on, and ends it where the server says that it is over. */
function reportConnection(
  store: Store,
  { output, refused }: { output: Surroundings['output']; refused: AbortController },
): () => void {
  let known = store.status.get().connection;
  return store.status.subscribe(() => {
    const { connection, error } = store.status.get();
    if (error !== undefined && error.retry !== 'later') refused.abort(error);
    if (connection === known) return;
    known = connection;
    output.aside({ connection }, (paint) => paint.dim(`(${connection})`));
  });
}
