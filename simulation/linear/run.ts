import { createServer, scopes, type Server } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { token } from '../place.ts';
import { Dice } from '../src/dice.ts';
import { blindStorage, type Breakage, isOfTwo } from './broken.ts';
import { callText, linearize } from './checker.ts';
import { LinearClient } from './client.ts';
import type { Call } from './model.ts';

/** How many histories, under which seed, of which server. */
export type LinearPlan = {
  readonly histories: number;
  readonly seed: number;
  readonly breakage?: Breakage;
};

/** What became of it. */
export type LinearReport = {
  readonly histories: number;
  readonly calls: number;
  /** Of the calls, how often each was answered in each way. */
  readonly answers: ReadonlyMap<string, number>;
  /** The first history that no order explains. */
  readonly failure: string | null;
};

const clients = 8;
const callsMax = 5;

/**
 * Has eight clients race for a register, a claim and a lock on real servers and sockets, in many small histories, and looks
 * for an order that explains each (stores.md §5).
 */
export async function runLinear(plan: LinearPlan): Promise<LinearReport> {
  const { breakage = null } = plan;
  const disk = memory();
  const storage = breakage === 'appends blindly' ? blindStorage(disk) : disk;
  const servers = Array.from({ length: isOfTwo(breakage) ? 2 : 1 }, () => serverOn(storage));
  const dice = new Dice(plan.seed);
  const made: LinearClient[] = [];
  try {
    const urls = await Promise.all(servers.map(async (server) => (await server.listen()).url));
    for (let number = 0; number < clients; number++) {
      const url = urls[number % urls.length] ?? '';
      made.push(new LinearClient(number, url, { dice: dice.fork(), breakage }));
    }
    await Promise.all(made.map((client) => client.open()));
    return await judged(plan, servers, { made, dice });
  } finally {
    for (const client of made) client.close();
    for (const server of servers) await server.close({ retryAfterMs: 0 });
  }
}

async function judged(
  plan: LinearPlan,
  [first]: readonly Server[],
  { made, dice }: { readonly made: readonly LinearClient[]; readonly dice: Dice },
): Promise<LinearReport> {
  const answers = new Map<string, number>();
  let count = 0;
  for (let history = 1; history <= plan.histories; history++) {
    const store = `acme/history-${history}`;
    await first?.stores.create(store);
    await Promise.all(made.map((client) => client.join(store)));
    await Promise.all(made.map((client) => client.work(1 + dice.below(callsMax))));
    const calls = made.flatMap((client) => client.calls);
    count += calls.length;
    for (const call of calls) tally(answers, call);
    const start = { seq: 0, register: null, claim: null, lease: null };
    const { isLinearizable, order } = linearize(calls, start);
    if (!isLinearizable) {
      const failure = reportOf({ seed: plan.seed, history, calls, order });
      return { histories: history, calls: count, answers, failure };
    }
    await Promise.all(made.map((client) => client.leave()));
  }
  return { histories: plan.histories, calls: count, answers, failure: null };
}

function tally(answers: Map<string, number>, { ask, told }: Call): void {
  const name = `${ask.kind} ${'seq' in told ? 'ok' : 'refused' in told ? told.refused : 'no'}`;
  answers.set(name, (answers.get(name) ?? 0) + 1);
}

function reportOf(of: {
  readonly seed: number;
  readonly history: number;
  readonly calls: readonly Call[];
  readonly order: readonly Call[];
}): string {
  const left = of.calls.filter((call) => !of.order.includes(call));
  return [
    `HOLDFAST_SEED=${of.seed}, history ${of.history}: no order explains what was answered. The longest that can be:`,
    ...of.order.map(callText),
    'nothing of this can follow:',
    ...left.map(callText),
  ].join('\n');
}

function serverOn(storage: ReturnType<typeof memory>): Server {
  return createServer({
    storage,
    rates: false,
    authenticate: async (credentials) =>
      credentials.token === token
        ? {
            subject: 'dev',
            orgs: ['acme'],
            scopes: new Set(scopes),
            storeAccess: { mode: 'all' },
            expiresAt: null,
            tokenId: null,
          }
        : null,
  });
}
