import type { Figure } from '../figure.ts';
import { start } from '../servers/process.ts';

/** CPU time per event of another client, with much that is pending and stored against next to nothing of either. */
export const refold: Figure = {
  id: 'refold',
  unit: 'µs CPU/event',
  against: '1 pending op and 1,000 leaves instead of 1,000 and 100,000',
  goal: { ratio: 3, at: 'most' },
  measure: async (quick) => {
    const events = quick ? 2000 : 20_000;
    const ours = await perEvent({ pending: 1000, leaves: 100_000, events });
    return { ours, limit: await perEvent({ pending: 1, leaves: 1000, events }) };
  },
};

async function perEvent(settings: object): Promise<number> {
  const replica = await start('replica-alone', settings);
  const micros = await replica.ask('events');
  await replica.stop();
  return micros;
}
