import { expect, it } from 'vitest';
import { failureText } from './src/simulate.ts';
import { type WebhookMutant, webhookMutants } from './webhooks/mutants.ts';
import { runWebhooks } from './webhooks/run.ts';

const seeds = Number(process.env['WEBHOOK_SEEDS'] ?? 4);
const spoiledMax = 6;

it(
  'S108 whoever is told of a store by a webhook is told all of it, in order and one after the other, whatever they answer and however often the server dies',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runWebhooks({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(figures.taken).toBeGreaterThan(50 * seeds);
    expect(figures.again).toBeGreaterThan(seeds);
    expect(figures.gaps).toBeGreaterThan(0);
  },
);

it.each(Object.entries(webhookMutants) as [WebhookMutant, string][])(
  'its checkers notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    const some = { from: 1, count: spoiledMax, shrinks: false };
    const { failure } = await runWebhooks(some, mutant);
    expect(failure?.problems.join('\n')).toContain(` ms: ${word}: `);
  },
);
