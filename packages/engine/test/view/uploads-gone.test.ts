import type { ViewContext } from '@holdfast/engine/view';
import { expect, test } from 'vitest';
import { Gate, Rig } from './instance-rig.ts';

type Reply = {
  readonly response: { readonly entries: { readonly [key: string]: { entry_ref: string } } };
};

test('of the files of a shared view that are gone the last thousand are told again', async () => {
  const rig = new Rig({
    name: 'gallery',
    scope: 'shared',
    uploads: { avatar: { accept: ['.png'], maxFileSize: 1000 } },
    render: (_, h) => ({ avatar: h.upload('avatar') }),
  });
  const ask = async (type: string, more: object): Promise<Reply> => {
    let reply: unknown;
    const ticket = rig.ticket((told) => (reply = told));
    const of = { ticket, subscriber: 1, store_id: [], name: 'avatar' };
    rig.step({ type, ...of, ...more } as never);
    await rig.settle();
    return reply as Reply;
  };
  const ann = await rig.open();
  await rig.join({ id: 2 });
  const entries = [{ client_ref: '0', name: '0.png', size: 10, type: 'image/png' }];
  let ref = '';
  for (let at = 0; at <= 1000; at++) {
    const { response } = await ask('allow_upload', { entries });
    ref = response.entries['0']?.entry_ref ?? '';
    await ask('cancel_upload', { ref });
  }
  ann.leave(true);
  await rig.join({ id: 1, resume: ann.version });
  const told = ann.last?.tail.content.upload_ops;
  expect(told).toHaveLength(1000);
  expect(told?.at(-1)).toMatchObject({ op: 'cancel', ref });
});

test.each([
  { scope: 'connection', hook: 'external' },
  { scope: 'connection', hook: 'verify' },
  { scope: 'shared', hook: 'external' },
  { scope: 'shared', hook: 'verify' },
] as const)(
  'that a client of a view of scope $scope leaves while $hook is waited for is nobody’s failure, and its file is gone',
  async ({ scope, hook }) => {
    const gate = new Gate();
    const here = { uploader: 's3', meta: {} };
    const later = async (ctx: ViewContext): Promise<object> => {
      await gate.opened;
      ctx.store('boards');
      return here;
    };
    const rig = new Rig({
      name: 'gallery',
      scope,
      uploads: { avatar: { accept: 'any', external: () => here, [hook]: later } },
      render: (_, h) => ({ avatar: h.upload('avatar') }),
    });
    const client = await rig.open();
    const of = { subscriber: 1, store_id: [], name: 'avatar' };
    let reply: unknown;
    const ticket = rig.ticket((told) => (reply = told));
    const entries = [{ client_ref: '0', name: '0.png', size: 10, type: 'image/png' }];
    rig.step({ type: 'allow_upload', ticket, ...of, entries } as never);
    await rig.settle();
    if (hook === 'verify') {
      const ref = (reply as Reply).response.entries['0']?.entry_ref;
      rig.step({ type: 'upload_progress', ticket: -1, ...of, ref, progress: 100 } as never);
    }
    client.leave();
    gate.open();
    await rig.settle();
    expect(rig.of('fault')).toEqual([]);
    expect(rig.of('opened')).toHaveLength(hook === 'verify' ? 1 : 0);
    expect(rig.of('uploaded').map(({ outcome }) => outcome)).not.toContain('complete');
  },
);
