import type { ViewDefinition } from '@holdfast/engine/view';
import type { ViewFault } from '@holdfast/protocol/views';
import { expect, test } from 'vitest';
import { Rig } from './instance-rig.ts';

const page: ViewDefinition = {
  name: 'page',
  render: (_, _h, ctx) => ({ params: ctx.params }),
  onParams: (_, next) => {
    if ((next as { n: number }).n < 0) throw new Error('no');
  },
};

function change(rig: Rig, params: unknown, fault: ViewFault | null = null): Promise<unknown> {
  const authorize = async (): Promise<ViewFault | null> => fault;
  return new Promise((resolve) => {
    const ticket = rig.ticket(resolve);
    rig.step({ type: 'params', ticket, subscriber: 1, params, given: params, authorize });
  });
}

test('other params are rendered with, though onParams changes nothing', async () => {
  const rig = new Rig(page, { params: { n: 1 } });
  const client = await rig.open();
  expect(await change(rig, { n: 2 })).toMatchObject({ status: 'ok', version: 2 });
  expect(client.tree).toMatchObject({ params: { n: 2 } });
  expect(rig.of('params')).toMatchObject([{ params: { n: 2 } }]);
});

test.each([
  ['whose onParams fails', { n: -1 }, null, 'internal_error'],
  ['that may not be had', { n: 2 }, { reason: 'unauthorized' }, 'unauthorized'],
])('params %s leave those that were, for the host too', async (_what, params, fault, reason) => {
  const rig = new Rig(page, { params: { n: 1 } });
  const client = await rig.open();
  expect(await change(rig, params, fault)).toMatchObject({ response: { reason } });
  expect(client.heard).toHaveLength(1);
  expect(rig.of('params')).toEqual([]);
});
