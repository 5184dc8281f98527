import { expect, test } from 'vitest';

import { type Ask, World } from './world.ts';

const S = '/api/stores/acme/blog';

async function open(): Promise<Ask> {
  const world = new World();
  await world.store('acme/blog');
  const { ask } = await world.token();
  await ask('PUT', `${S}/entries/a`, 1);
  return ask;
}

test.each([
  ['GET', '/entries/a?at_sec=0'],
  ['GET', '/entry?path=a&at=0'],
  ['PUT', '/entries/a?if_absent=true'],
  ['DELETE', '/entries/a?forced=true'],
  ['DELETE', '/entries/a?force=yes'],
  ['GET', '/export?fromat=sqlite'],
  ['POST', '/import?mdoe=atomic'],
  ['GET', '/diff?from_seq=0&pattern=b'],
  ['DELETE', '?purge=yes'],
])(
  'a parameter that there is none of would ask for something else: %s %s',
  async (method, path) => {
    const ask = await open();
    const { status, json } = await ask(method, `${S}${path}`, method === 'GET' ? undefined : {});
    expect([status, json['error']]).toEqual([400, 'invalid_params']);
    expect((await ask('GET', `${S}/entries/a`)).json['value']).toBe(1);
  },
);

test.each([
  ['POST', '/entries', { path: 'a', value: 2 }],
  ['DELETE', '/entries', { path: 'a' }],
  ['POST', '/entries/batch_write', { ops: [{ op: 'set', path: 'a', value: 2 }] }],
  ['POST', '/transact', { ops: [{ op: 'set', path: 'a', value: 2 }] }],
])(
  'S42 a condition beside a body that names its paths is refused, not passed over: %s %s',
  async (method, path, body) => {
    const ask = await open();
    for (const header of [{ 'If-Match': '"99"' }, { 'If-None-Match': '*' }]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { status, json } = await ask(method, `${S}${path}`, body, header);
      expect([status, json['error']]).toEqual([400, 'invalid_precondition']);
    }
    expect((await ask('GET', `${S}/entries/a`)).json['value']).toBe(1);
  },
);
