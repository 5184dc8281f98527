import { app, loader, type ServerOptions, upload, view } from '@holdfast/server';
import { expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import type { Peer } from '../conversation/peer.ts';
import { world } from '../conversation/world.ts';
import { Root } from './root.ts';

type Told = Parameters<NonNullable<ServerOptions['telemetry']>>[0];

const ends: { [name: string]: (outcome: string) => void } = {};
const watched = view({
  name: 'Watched',
  uploads: { files: upload({ accept: 'any', maxEntries: 3, external: () => elsewhere }) },
  async: {
    fact: loader(
      (_ctx: object, name: string) =>
        new Promise<string>((resolve, reject) => {
          ends[name] = (how) => (how === 'ok' ? resolve(how) : reject(new Error(how)));
        }),
    ),
  },
  mount: () => ({ text: '' }),
  render: ({ text }, h) => ({ text, fact: h.async('fact'), files: h.upload('files') }),
  commands: {
    load: {
      input: z.object({ name: z.string(), timeout: z.number().optional() }),
      run: (ctx, { name, timeout }) => {
        ctx.async.start('fact', name, timeout === undefined ? {} : { timeout });
      },
    },
    cancel: { run: (ctx) => ctx.async.cancel('fact') },
    grow: { run: (ctx) => ctx.update((s) => void (s.text += 'x'.repeat(300_000))) },
  },
});
const later: () => unknown = () => Promise.reject(new Error('later'));
const elsewhere = { uploader: 's3', meta: {} };

async function open(more: Partial<ServerOptions> = {}) {
  const told: Told[] = [];
  const { connect } = await world({
    app: app({ views: [watched] }),
    telemetry: (event) => told.push(event),
    log: { info: () => undefined, error: () => undefined },
    ...more,
  });
  const come = async (): Promise<[Root, Peer]> => {
    const peer = await connect();
    const root = new Root(peer, 'Watched', 'w');
    await root.join({
      module: 'Watched',
      id: 'w',
      capver: 4,
      resume: { instance: null, version: 0 },
    });
    await root.envelope();
    return [root, peer];
  };
  const of = (name: Told['name']): Told[] => told.filter((event) => event.name === name);
  return { come, of };
}

it('telemetry hears of each run of a loader, and how it ended (views.md §16)', async () => {
  const { come, of } = await open();
  const [root] = await come();
  for (const name of ['good', 'bad']) await root.command('load', { name });
  ends['bad']?.('secret');
  ends['good']?.('ok');
  await root.command('load', { name: 'slow', timeout: 1 });
  await expect.poll(() => of('async').length).toBe(3);
  await root.command('load', { name: 'late' });
  await root.command('cancel');
  const outcomes = of('async').map((event) => 'outcome' in event && event.outcome);
  expect(outcomes).toEqual(['failed', 'ok', 'timeout', 'cancelled']);
  expect(of('async')[0]).toEqual({
    name: 'async',
    module: 'Watched',
    id: 'w',
    of: 'fact',
    ms: expect.any(Number) as number,
    outcome: 'failed',
  });
});

it('telemetry hears of each upload, when it is let in and how it ended (views.md §16)', async () => {
  const { come, of } = await open();
  const [root] = await come();
  const entries = ['a', 'b', 'c'].map((name) => ({ client_ref: name, name, size: 7, type: '' }));
  const { response } = await root.ask('allow_upload', { name: 'files', entries });
  const grants = response['entries'] as { [name: string]: { entry_ref: string } };
  const ref = (name: string): object => ({ name: 'files', ref: grants[name]?.entry_ref });
  await root.ask('upload_progress', { ...ref('a'), progress: 100 });
  await root.ask('upload_error', { ...ref('b'), code: 'x', message: 'y' });
  await root.ask('cancel_upload', ref('c'));
  await expect.poll(() => of('upload').length).toBe(6);
  const told = of('upload').map(
    (event) => 'bytes' in event && [event.bytes, 'outcome' in event && event.outcome],
  );
  expect(told).toEqual([
    [7, 'opened'],
    [7, 'opened'],
    [7, 'opened'],
    [7, 'complete'],
    [7, 'broken'],
    [7, 'cancelled'],
  ]);
});

it('telemetry hears of who leaves, for good or not, and of who reads too slowly (views.md §16)', async () => {
  const { come, of } = await open({ limits: { socket_soft_bytes: 64 * 1024 } });
  const [root, peer] = await come();
  peer.cut();
  await expect.poll(() => of('leave')).toMatchObject([{ kept: true }]);
  const [again, slow] = await come();
  slow.pause();
  for (let n = 0; n < 20; n += 1) again.push('command', { name: 'grow', payload: {} });
  await expect.poll(() => of('lag').length).toBeGreaterThan(0);
  slow.resume();
  await again.ask('phx_leave', {});
  expect(of('leave')).toMatchObject([{ kept: true }, { kept: false }]);
  expect(root.topic).toBe(again.topic);
});

it('telemetry and a log that are async and reject end nothing, and are told of', async () => {
  const logged: unknown[] = [];
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  onTestFinished(() => stderr.mockRestore());
  const log = {
    info: later,
    error: (details: object, message: string) => {
      logged.push(message, details);
      return later();
    },
  };
  const { come } = await open({ telemetry: later, log });
  const [root] = await come();
  expect((await root.command('cancel')).status).toBe('ok');
  expect(logged).toContain('telemetry failed');
  expect(String(stderr.mock.calls[0])).toContain('the log failed');
});
