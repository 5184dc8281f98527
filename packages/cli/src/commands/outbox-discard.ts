import { type Command, defineCommand } from '../command.ts';
import { Failure } from '../failure.ts';
import { cacheArg, hasRead, outboxWith, withCache } from '../kept.ts';

export const command: Command = defineCommand({
  summary: 'Give up a write of an application for good; the application must not run.',
  args: {
    file: cacheArg,
    id: { type: 'positional', description: 'The op id that "holdfast outbox" shows' },
  },
  examples: ['holdfast outbox discard ./cache.db 9f3c:1a:7'],
  async run({ file, id }, { output }) {
    const { store: name, ...where } = outboxWith(file, id);
    const isDiscarded = await withCache(file, where, {
      token: null,
      output,
      use: async (client) => {
        const store = client.store(name, { scope: [] });
        await hasRead(store, id);
        return store.outbox.discard(id);
      },
    });
    if (!isDiscarded) {
      throw new Failure('refused', `${id} may have been sent, and may be committed.`, {
        code: 'outcome_unknown',
        hint: '"holdfast outbox retry" asks the server.',
      });
    }
    output.record(
      { op_id: id, discarded: true },
      (paint) => `${paint.green('✓')} ${id} is discarded.`,
    );
  },
});
