import { type Command, defineCommand } from '../command.ts';
import { cacheArg, outboxesIn } from '../kept.ts';

export const command: Command = defineCommand({
  summary: 'Write out what an application keeps of its writes, whole, as JSON.',
  args: { file: cacheArg },
  examples: ['holdfast outbox export ./cache.db > outbox.jsonl'],
  async run({ file }, { output }) {
    const outboxes = outboxesIn(file);
    for (const { url, principal, store, writes, deadLetters } of outboxes) {
      const kept = { store, url, principal, writes, dead_letters: deadLetters };
      output.record(kept, () => JSON.stringify(kept));
    }
    if (outboxes.length === 0) output.note('Nothing waits, and nothing was refused.');
  },
});
