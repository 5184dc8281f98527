import { deferred } from '@holdfast/engine/registry';
import type { GivenPrincipal } from '@holdfast/server';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { openWorld } from './world.ts';

const ada: GivenPrincipal = {
  subject: 'ada',
  orgs: ['acme'],
  scopes: ['entries:read', 'entries:write', 'files:read', 'files:write'],
};

test.each([
  ['still let it be written', 'committed', {}],
  ['do not', 'missing_scope', { scopes: ['entries:read', 'files:read'] }],
] as const)(
  'S101 a file whose sender comes by other rights while it is on its way goes by those: where they %s it is told %s',
  async (_what, outcome, rights) => {
    const clock = new VirtualClock();
    let looks = 0;
    await using world = await openWorld(
      async ({ headers }) => {
        if (headers['upgrade'] !== undefined) return ada;
        looks += 1;
        // It has been let in, and is asked about once more before it is committed.
        return looks === 1 ? ada : { ...ada, ...rights, claims: { role: 'lead' } };
      },
      { clock },
    );
    const waits = deferred<void>();
    const setTimeout = (run: () => void, ms: number): unknown => {
      const timer = clock.setTimeout(run, ms);
      if (looks === 2 && ms === 1000) waits.resolve();
      return timer;
    };
    const store = await world.store({ token: 'ada', env: { setTimeout } });
    const sending = store.putFile('a', new Blob(['Hello'])).then(
      () => 'committed',
      ({ code }) => String(code),
    );
    await Promise.race([waits.promise, sending]);
    await clock.pass(1000);
    expect(await sending).toBe(outcome);
  },
);
