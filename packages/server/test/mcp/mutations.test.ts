import { expect, test } from 'vitest';
import { record } from '@holdfast/protocol';
import { app } from '@holdfast/server';
import { z } from 'zod';
import { world } from '../conversation/world.ts';
import { Agent } from './agent.ts';

test('an agent runs a mutation of a record as the tool tells it to, and one that asks for an unknown op is told of mutations', async () => {
  const Ticket = record({
    name: 'ticket',
    store: 'demo/main',
    path: 'tickets/:id',
    version: '1.0',
    schema: z.object({ state: z.string() }),
    mutations: {
      move: { input: z.object({ to: z.string() }), apply: (_, { to }) => ({ state: to }) },
    },
  });
  const { url } = await world({ app: app({ records: [Ticket] }) });
  const agent = await Agent.connect(url, 'dev');
  const { tools } = await agent.client.listTools();
  const transact = tools.find(({ name }) => name === 'holdfast_transact');
  expect(transact?.inputSchema.properties?.['ops']).toMatchObject({
    description: expect.stringContaining('mutate is {op, path, record, name, value}'),
  });
  const store = 'demo/main';
  const move = { path: 'tickets/1', record: 'ticket', name: 'move', value: { to: 'done' } };
  await agent.call('transact', { store, ops: [{ ...move, op: 'mutate' }] });
  const { value } = await agent.call('get', { store, path: 'tickets/1' });
  expect(value).toEqual({ state: 'done' });
  const wrong = { store, ops: [{ ...move, op: 'call' }] };
  expect(await agent.advised('transact', wrong)).toContain('release and mutate');
});
