import type { ViewContext } from '@holdfast/engine/view';
import { expect, test } from 'vitest';
import { ask, file, kinds, opened, refs, withUpload } from './gallery.ts';
import { Rig } from './instance-rig.ts';

const endless = new Promise<never>(() => undefined);

test.each([
  { of: 'the server', timeout: undefined, ms: 30_000 },
  { of: 'its view', timeout: 500, ms: 500 },
])(
  'given an external that never ends, then its file is refused when the time of $of is over, and leaves its place',
  async ({ timeout, ms }) => {
    const signals: AbortSignal[] = [];
    const external = (ctx: ViewContext, { name }: { readonly name: string }): unknown => {
      signals.push(ctx.signal);
      return name === '0.png' ? endless : null;
    };
    const rig = new Rig(withUpload({ external, maxEntries: 1 }, { ...(timeout && { timeout }) }));
    await rig.open();
    const replies: object[] = [];
    void ask(rig, 'allow_upload', { entries: [file('0')] }).then(({ response }) =>
      replies.push(response),
    );
    await rig.advance(ms - 1);
    expect([replies, signals.map(({ aborted }) => aborted)]).toEqual([[], [false]]);
    await rig.advance(1);
    expect(replies).toMatchObject([{ entries: {}, errors: [{ error: { code: 'internal' } }] }]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(rig.of('fault')).toHaveLength(1);
    const { response } = await ask(rig, 'allow_upload', { entries: [file('1')] });
    expect(response).toMatchObject({ entries: { 1: { type: 'channel' } }, errors: [] });
  },
);

test('given a verify that never ends, then the file is external_failed when its time is over, whatever is said later', async () => {
  const says: ((isThere: boolean) => void)[] = [];
  const { rig, client } = await opened({
    external: () => ({ uploader: 's3' }),
    verify: () => new Promise<boolean>((resolve) => says.push(resolve)),
  });
  await ask(rig, 'allow_upload', { entries: [file('0')] });
  await ask(rig, 'upload_progress', { ref: refs(rig)[0], progress: 100 });
  await rig.advance(29_999);
  expect(kinds(client)).toEqual(['config', 'add']);
  await rig.advance(1);
  await rig.advance(100);
  says[0]?.(true);
  await rig.advance(100);
  expect(kinds(client)).toEqual(['config', 'add', 'error']);
  expect(client.last?.tail.content.upload_ops).toMatchObject([
    { error: { code: 'external_failed', message: 'external upload failed' } },
  ]);
});
