import type { ViewDefinition } from '@holdfast/engine/view';
import { expect, test } from 'vitest';
import { Rig } from './instance-rig.ts';
import { object } from './schemas.ts';

const sending = (to: () => unknown): ViewDefinition => ({
  name: 'room',
  scope: 'shared',
  events: { said: object({}) },
  render: () => ({}),
  commands: { tell: { run: (ctx) => ctx.send('said', {}, { to }) } },
});

test.for([
  ['fails', () => JSON.parse('no JSON')],
  ['would have to be waited for', () => Promise.resolve(true)],
  ['would have to be waited for, and fails', () => Promise.reject(new Error('later'))],
] as const)('an event for those of whom a function %s is heard by nobody', async ([, to]) => {
  const rig = new Rig(sending(to));
  const ann = await rig.open();
  const bob = await rig.join({ principal: { subject: 'bob' } });
  await ann.dispatch('tell');
  await rig.settle();
  expect([ann.events, bob.events]).toEqual([[], []]);
  expect(rig.of('fault')).toMatchObject([{ where: 'send' }, { where: 'send' }]);
});
