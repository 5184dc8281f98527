import { keptIn } from '@holdfast/client/cache';
import { records } from '@holdfast/client/records';
import { passthrough, record, type RecordValue } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { Disk, MapRows } from './cache/map-rows.ts';
import { Valve } from './valve.ts';
import { openWorld } from './world.ts';

type Old = { readonly site?: string; readonly remarks?: string; readonly done?: boolean };

const at = { name: 'form', store: 'acme/app', path: 'forms/:id' } as const;
const OldForm = record({ ...at, version: '1.0', schema: passthrough<Old>() });
const formOf = (migrate: (old: Old) => RecordValue) =>
  record({ ...at, version: '2.0', schema: passthrough<RecordValue>(), migrate: { '1': migrate } });

/** What a form is, and what is said of it, once a patch that waited under the old version was sent by the new one. */
async function patched(patch: Old, migrate: (old: Old) => RecordValue) {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  const Form = formOf(migrate);
  world.server.record(Form);
  const [disk, link] = [new Disk(), new Valve()];
  const old = world.client({ link, cache: keptIn(new MapRows(disk)), records: records([OldForm]) });
  link.holdOut();
  await old.record(OldForm, { id: '1' }).patch(patch).durable;
  await old.close();
  const office = world.client({ records: records([Form]) }).record(Form, { id: '1' });
  await office.set({ site: 'bridge', note: 'cracked', severity: 5, done: false }).committed;
  const conflicts: unknown[] = [];
  const next = world.client({
    cache: keptIn(new MapRows(disk)),
    records: records([Form], { onConflict: ({ kind, mine }) => conflicts.push([kind, mine]) }),
  });
  const form = next.record(Form, { id: '1' });
  form.retain();
  await form.ready();
  await next.flush();
  return { value: form.get(), conflicts };
}

const filled = ({ remarks, ...rest }: Old): RecordValue => ({
  ...rest,
  note: remarks ?? '',
  severity: 0,
});

const needy = (old: Old): RecordValue => {
  if (old.site === undefined) throw new Error('no site');
  return filled(old);
};

test.each([
  [{ done: true }, { site: 'bridge', note: 'cracked', severity: 5, done: true }],
  [{ remarks: 'mended' }, { site: 'bridge', note: 'mended', severity: 5, done: false }],
  [{ remarks: '' }, { site: 'bridge', note: '', severity: 5, done: false }],
])(
  'R142 given a patch %j that waits, when its record has a new major whose migration fills in what is missing, then what is there besides stays',
  async (patch, value) => {
    expect(await patched(patch, filled)).toEqual({ value, conflicts: [] });
  },
);

test('R142 given a patch that waits, when the migration needs what is not in it, then it is a conflict, and nothing is written', async () => {
  expect(await patched({ remarks: 'mended' }, needy)).toEqual({
    value: { site: 'bridge', note: 'cracked', severity: 5, done: false },
    conflicts: [['schema', { remarks: 'mended' }]],
  });
});

const ranked = ({ remarks, ...rest }: Old): RecordValue => ({
  ...rest,
  severity: remarks === 'high' ? 9 : 0,
});

test('R142 given a patch that waits, when what it becomes looks like what the migration fills in, then it is a conflict, and is not lost in silence', async () => {
  expect(await patched({ remarks: 'low' }, ranked)).toEqual({
    value: { site: 'bridge', note: 'cracked', severity: 5, done: false },
    conflicts: [['schema', { remarks: 'low' }]],
  });
});

const shorter = ({ done = false }: Old): RecordValue => ({ done });

test('R142 given a patch that waits, when the migration fills nothing in and leaves out a field, then the rest of the patch is sent', async () => {
  expect(await patched({ remarks: 'low', done: true }, shorter)).toEqual({
    value: { site: 'bridge', note: 'cracked', severity: 5, done: true },
    conflicts: [],
  });
});
