import type { Figure } from '../figure.ts';
import { start } from '../servers/process.ts';

/** CPU time per update of 10,000 live records in one client, against a Map whose listeners are called, fed by the same frames. */
export const records: Figure = {
  id: 'records',
  unit: 'µs CPU/update',
  against: 'the same frames into a Map of objects with a listener each',
  goal: { ratio: 5, at: 'most' },
  measure: async (quick) => {
    const seconds = quick ? 1 : 4;
    const ours = await perUpdate({ kind: 'records', seconds });
    return { ours, limit: await perUpdate({ kind: 'map', seconds }) };
  },
};

async function perUpdate(of: object): Promise<number> {
  const client = await start('records-client', of);
  const micros = await client.ask('micros');
  await client.stop();
  return micros;
}
