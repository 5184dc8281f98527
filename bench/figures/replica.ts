import type { Figure } from '../figure.ts';
import { start } from '../servers/process.ts';

const LIMIT_PERCENT = 25;

/** CPU time of a client that takes 10,000 leaf writes a second, with 1,000 patterns subscribed. */
export const replica: Figure = {
  id: 'replica',
  unit: '% of one core',
  against: `${LIMIT_PERCENT} % of one core`,
  goal: { ratio: 1, at: 'most' },
  measure: async (quick) => {
    const feeder = await start('feeder');
    const client = await start('replica-client', { port: feeder.port, seconds: quick ? 0.5 : 3 });
    try {
      return { ours: await client.ask('percent'), limit: LIMIT_PERCENT };
    } finally {
      // Also where the history is wrong: the other figures are measured all the same.
      await client.stop();
      await feeder.stop();
    }
  },
};
