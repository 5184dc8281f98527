import { describe, expect, test } from 'vitest';
import { at, Subject } from './subject.ts';

const bad = (sequence: number): object => at(sequence, { n: 'not a number' });
const down = new Error('down');
const three = (sequence: number): object => ({
  value: { n: sequence },
  schema_version: '1.0',
  sequence,
});
const expecting = (version: string, over: object = {}): Subject =>
  new Subject({ spec: { version, ...over } });
const of = (sequence: number, schema_version: string): object => at(sequence, { schema_version });
const asking = (): Subject => new Subject({ asks: 'handshake' });

const reconnected = (chance: number): Subject =>
  new Subject({ asksAlone: true, random: () => chance }).seed(at(1)).tell({
    type: 'reconnected',
  });

describe('receipts', () => {
  test('R32 a seed is shown at once', () => {
    const item = new Subject().seed(at(1));
    expect([item.value, item.sequence, item.status]).toEqual([1, 1, 'ok']);
    expect(item.reconciler.server?.schemaVersion).toBe('1.0');
    expect(item.stats.applied).toBe(1);
    expect(item.requests).toEqual([]);
  });

  test('R33 each receipt in order is taken', () => {
    const item = new Subject().seed(at(1)).receive(at(2), at(3));
    expect(item.shown.map(([value]) => value)).toEqual([1, 2, 3]);
    expect(item.stats.applied).toBe(3);
  });

  test('R34 R42 what is not newer is ignored, and so is all after the end', () => {
    const item = new Subject().seed(at(5)).receive(at(5), at(3));
    expect([item.value, item.stats.ignoredStale, item.stats.applied]).toEqual([5, 2, 1]);
    item.tell({ type: 'close' }).tell({ type: 'close' }).receive(at(9));
    expect([item.value, item.status]).toEqual([5, 'closed']);
  });

  test('R38 R39 R65 a gap is counted, and the value shown: it is whole', () => {
    const item = new Subject({ asks: 'nobody' }).seed(at(1)).receive(at(5, { prev: 4 }));
    expect([item.value, item.sequence, item.stats.gaps, item.status]).toEqual([5, 5, 1, 'ok']);
    item.receive(at(6, { prev: 5 }));
    expect([item.value, item.stats.gaps, item.requests]).toEqual([6, 1, []]);
    // Nor is anybody asked who could be.
    const other = new Subject().seed(at(1)).receive(at(5, { prev: 4 }), at(6, { prev: 5 }));
    expect([other.value, other.stats.gaps, other.status]).toEqual([6, 1, 'ok']);
    expect([other.requests, other.stats.refetches]).toEqual([[], 0]);
  });

  test('R41 without a seed, and nobody to ask, the first receipt is the baseline', () => {
    const item = new Subject({ asks: 'nobody' }).start();
    expect(item.status).toBe('stale');
    item.receive(at(7), at(7));
    expect([item.value, item.status, item.stats.ignoredStale]).toEqual([7, 'ok', 1]);
  });

  test('R51 envelopes of three fields are numbered densely; with prev a hole is no gap', () => {
    const item = new Subject().seed(three(1)).receive(three(2));
    expect([item.value, item.stats.gaps]).toEqual([2, 0]);
    item.receive(at(9, { prev: 2 }));
    expect(item.stats.gaps).toBe(0);
    item.receive(at(12, { prev: 11 }), three(14));
    expect([item.value, item.stats.gaps]).toEqual([14, 2]);
  });

  test('R67 R70 what is no envelope is counted, and a snapshot asked for', () => {
    const item = new Subject().seed(at(1));
    for (const sequence of [undefined, NaN, '2', 1.5, 2 ** 60]) {
      item.receive({ ...at(2), sequence });
    }
    item.receive(null);
    expect([item.stats.envelopeErrors, item.value, item.requests]).toEqual([6, 1, [1]]);
    item.receive({ ...at(2), sequence: 2n });
    expect([item.value, item.sequence]).toEqual([2, 2]);
  });

  test('R76 what is stale is ignored before it is looked at', () => {
    const item = new Subject().seed(at(5)).receive(bad(4), at(3, { schema_version: '9.0' }));
    expect(item.stats).toMatchObject({ ignoredStale: 2, parseErrors: 0, schemaSkews: 0 });
    expect(item.requests).toEqual([]);
  });

  test('R77 of seed and persisted snapshot the newer counts', () => {
    const persisted = { type: 'envelope', source: 'persisted' } as const;
    const item = new Subject().tell({ ...persisted, message: at(3) }).seed(at(5));
    expect(item.value).toBe(5);
    const other = new Subject().tell({ ...persisted, message: at(9) }).seed(at(5));
    expect([other.value, other.stats.staleSnapshots]).toEqual([9, 1]);
  });

  test('R78 what is deleted is gone; made anew it is above all before', () => {
    const item = new Subject().seed(at(1)).receive(at(2, { value: null, deleted: true }));
    expect([item.value, item.sequence, item.status]).toEqual([undefined, 2, 'gone']);
    item.receive(at(1), at(3));
    expect([item.value, item.status]).toEqual([3, 'ok']);
  });
});

describe('versions', () => {
  test('R44 R47 another minor passes, and so does what is no version', () => {
    const item = expecting('3.1').seed(of(1, '3.4'));
    expect([item.value, item.stats.schemaSkews]).toEqual([1, 0]);
    item.receive(of(2, 'garbage'));
    expect(item.value).toBe(2);
  });

  test('R45 R83 another major does not: what was is kept until a snapshot can be read', async () => {
    const item = expecting('3.9').seed(of(1, '3.0')).receive(of(2, '4.0'));
    expect([item.value, item.status]).toEqual([1, 'refetching']);
    expect(item.stats).toMatchObject({ schemaSkews: 1, refetches: 1 });
    await item.idle(() => of(3, '3.2'));
    expect([item.value, item.status, item.stats.refetches]).toEqual([3, 'ok', 1]);
  });

  test('R48 R49 an older major is migrated, step by step; a step that is missing or throws is skew', async () => {
    const migrate = {
      1: (old: { n: number }) => ({ n: old.n * 10 }),
      2: (old: { n: number }) => ({ n: old.n + 1 }),
    };
    const item = expecting('3.0', { migrate }).seed(of(1, '1.0')).receive(of(2, '2.0'));
    expect(item.shown.map(([value]) => value)).toEqual([11, 3]);
    expect(item.stats.migrated).toBe(2);
    item.receive(of(3, '0.1'));
    expect([item.value, item.stats.schemaSkews]).toEqual([3, 1]);
    await item.idle(() => null);
    expect(item.status).toBe('skew');
  });

  test('R50 lasting skew ends: few requests, one word to the application; a good receipt ends it', async () => {
    const item = expecting('1.0').seed(of(1, '1.0')).receive(of(2, '2.0'));
    await item.idle(() => of(3, '2.0'));
    expect([item.status, item.requests.length, item.skews]).toEqual(['skew', 6, ['2.0']]);
    expect(item.reconciler.serverVersion).toBe('2.0');
    item.receive(of(4, '2.0'));
    expect(item.requests).toHaveLength(6);
    await item.wait(30_000);
    item.receive(of(5, '2.0'));
    expect(item.requests).toHaveLength(7);
    item.receive(of(6, '1.5'));
    await item.idle(() => of(6, '1.5'));
    expect([item.value, item.status, item.skews]).toEqual([6, 'ok', ['2.0']]);
  });
});

describe('recovery', () => {
  test('R35 where there is nothing, what was is kept, and stale', async () => {
    const item = new Subject().seed(at(1)).receive(bad(2));
    await item.idle(() => null);
    expect([item.value, item.status, item.stats.refetches]).toEqual([1, 'stale', 1]);
    expect(item.stats.parseErrors).toBe(1);
  });

  test('R36 what cannot be read harms nothing, and the snapshot is taken', async () => {
    const item = new Subject().seed(at(1)).receive(bad(2));
    await item.idle(() => at(10));
    expect([item.value, item.status]).toEqual([10, 'ok']);
    expect(item.stats).toMatchObject({ parseErrors: 1, refetches: 1 });
  });

  test('R37 a seed that cannot be read is asked for anew', async () => {
    const item = new Subject().seed(bad(3));
    expect(item.status).toBe('loading');
    await item.idle(() => at(4));
    expect([item.value, item.status, item.stats.parseErrors]).toEqual([4, 'ok', 1]);
  });

  test('R40 where nobody can be asked it is stale', () => {
    const item = new Subject({ asks: 'nobody' }).seed(at(1)).receive(bad(2));
    expect([item.value, item.status, item.stats.refetches]).toEqual([1, 'stale', 0]);
    item.receive(at(3));
    expect(item.status).toBe('ok');
  });

  test('R52 R71 a snapshot that comes late does not take back what came meanwhile', () => {
    const item = new Subject().seed(at(1)).receive(bad(2), at(3), at(4));
    item.fetched(at(2));
    expect([item.value, item.sequence, item.stats.staleSnapshots]).toEqual([4, 4, 1]);
    expect(item.status).toBe('ok');
  });

  test('R53 fifty receipts that cannot be read are one request, and one more', async () => {
    const item = new Subject().seed(at(1));
    for (let sequence = 2; sequence < 52; sequence++) item.receive(bad(sequence));
    expect(item.requests).toHaveLength(1);
    item.fetched(at(20));
    expect(item.requests).toHaveLength(2);
    item.fetched(at(51));
    expect([item.value, item.status, item.requests.length]).toEqual([51, 'ok', 2]);
  });

  test('R54 the answer of an older request is not heard', async () => {
    const item = new Subject().seed(at(1)).receive(bad(2));
    await item.wait(10_000);
    await item.wait(250);
    expect([item.requests, item.aborted]).toEqual([[1, 2], [1]]);
    item.fetched(at(5), 2).fetched(at(4), 1);
    expect([item.value, item.sequence]).toEqual([5, 5]);
  });

  test('R56 R55 a snapshot that cannot be read is asked for again, ever later, then never; retry begins anew', async () => {
    const item = new Subject().seed(at(1)).receive(bad(2));
    const times: number[] = [];
    await item.idle(() => {
      times.push(item.clock.now());
      return bad(2);
    });
    expect(times).toEqual([0, 250, 750, 1750, 3750, 7750]);
    expect([item.status, item.value, item.reports.length]).toEqual(['skew', 1, 1]);
    item.tell({ type: 'retry' });
    expect(item.status).toBe('refetching');
    await item.idle(() => at(2));
    expect([item.value, item.status]).toEqual([2, 'ok']);
  });

  test('R57 a schema that throws is a gate that has failed', async () => {
    const item = new Subject().seed(at(1)).receive(at(2, { n: 'throw' }));
    expect([item.value, item.stats.parseErrors]).toEqual([1, 1]);
    await item.idle(() => at(2));
    expect(item.value).toBe(2);
  });

  test('R65 where the request fails there are few of them, and receipts start no more', async () => {
    const item = new Subject().seed(at(1)).receive(bad(2));
    await item.idle(() => down);
    expect([item.status, item.requests.length]).toEqual(['stale', 6]);
    item.receive(bad(3), bad(4));
    expect(item.requests).toHaveLength(6);
    item.tell({ type: 'reconnected' });
    expect(item.requests).toHaveLength(7);
  });

  test('R66 a good receipt while the request fails ends well', async () => {
    const item = new Subject().seed(at(1)).receive(bad(2), at(3));
    expect(item.status).toBe('refetching');
    item.failed();
    expect([item.status, item.reconciler.isIdle]).toEqual(['ok', true]);
  });

  test('R56 R65 a question at the start, or after a reconnect, that fails is asked again, and given up with a word', async () => {
    const first = asking().start().failed();
    expect([first.status, first.reconciler.isIdle]).toEqual(['loading', false]);
    await first.wait(250);
    expect(first.requests).toEqual([1, 2]);
    first.answer({ key: 'k', type: 'snapshot', envelope: at(4) } as never);
    expect([first.status, first.reconciler.isIdle, first.stats.refetches]).toEqual(['ok', true, 1]);

    const back = new Subject().seed(at(1)).tell({ type: 'reconnected' });
    expect([back.requests, back.status]).toEqual([[1], 'refetching']);
    await back.idle(() => down);
    expect([back.requests.length, back.status, back.value]).toEqual([6, 'stale', 1]);
    expect(back.reports).toHaveLength(1);
    back.receive(at(2));
    expect([back.status, back.value]).toEqual(['ok', 2]);
  });

  test('R66 a receipt while such a question waits to be asked again is an answer to it', async () => {
    const item = new Subject().seed(at(1)).tell({ type: 'reconnected' }).failed().receive(at(2));
    expect([item.status, item.reconciler.isIdle]).toEqual(['ok', true]);
    await item.wait(60_000);
    expect(item.requests).toHaveLength(1);
  });

  test('records that are asked for one by one are not all asked for at once after a reconnect', async () => {
    const items = Array.from({ length: 10 }, (_, nth) => reconnected(nth / 10));
    const asked: number[] = [];
    for (let now = 0; now < 2000; now += 200) {
      for (const item of items) await item.wait(now === 0 ? 0 : 200);
      asked.push(items.reduce((sum, { requests }) => sum + requests.length, 0));
    }
    expect(asked).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(items.map(({ status }) => status)).toEqual(items.map(() => 'refetching'));
    for (const item of items) item.fetched(at(2));
    expect(items.every((item) => item.status === 'ok' && item.value === 2)).toBe(true);
  });

  test('a question that waits after a reconnect is put off by none, and a newer receipt answers it', async () => {
    const item = new Subject({ asksAlone: true }).seed(at(1)).tell({ type: 'reconnected' });
    await item.wait(1900);
    item.tell({ type: 'reconnected' });
    expect([item.status, item.requests]).toEqual(['refetching', []]);
    await item.wait(100);
    expect(item.requests).toEqual([1]);
    await item.failed().wait(250);
    expect(item.requests).toEqual([1, 2]);
    item.fetched(at(1)).tell({ type: 'reconnected' }).receive(at(2));
    expect([item.status, item.reconciler.isIdle]).toEqual(['ok', true]);
    item.tell({ type: 'reconnected' }).tell({ type: 'retry' });
    expect(item.requests).toEqual([1, 2, 3]);
  });

  test('R72 the end, and the time, abort what is under way', async () => {
    const item = new Subject().seed(at(1)).receive(bad(2));
    await item.wait(10_000);
    expect(item.aborted).toEqual([1]);
    await item.wait(250);
    item.tell({ type: 'close' });
    expect(item.aborted).toEqual([1, 2]);
    item.fetched(at(9));
    expect(item.value).toBe(1);
  });
});

describe('incarnations', () => {
  const e2 = { incarnation: 'e2' };

  test('R68 an authority that began anew is followed, and the one before is never heard again', async () => {
    const item = new Subject().seed(at(9)).receive(at(1, e2));
    expect([item.value, item.stats.incarnationChanges, item.status]).toEqual([9, 1, 'refetching']);
    await item.idle(() => at(1, e2));
    expect([item.value, item.sequence, item.status]).toEqual([1, 1, 'ok']);
    item.receive(at(10));
    expect([item.value, item.stats.ignoredStale]).toEqual([1, 1]);
    item.receive(at(2, { incarnation: null }));
    expect(item.value).toBe(2);
  });

  test('R60 no value is ever shown with the sequence of another', () => {
    const item = new Subject().seed(at(1)).receive(at(5), bad(6), at(4), at(7)).fetched(at(6));
    for (const [value, sequence] of item.shown) expect(value).toBe(sequence);
  });
});

describe('answers', () => {
  const key = 'rec/acme/app/items/1';

  test('R58 without a seed the answer counts, and not a stray receipt of before', () => {
    const item = asking().start();
    expect([item.status, item.requests]).toEqual(['loading', [1]]);
    item
      .receive(at(3))
      .answer({ key, type: 'snapshot', envelope: at(5) })
      .receive(at(4));
    expect([item.value, item.status, item.stats.refetches]).toEqual([5, 'ok', 0]);
  });

  test('R79 each answer has its state', async () => {
    const current = asking().seed(at(4)).answer({ key, type: 'current' });
    expect([current.value, current.status]).toEqual([4, 'ok']);
    const gone = asking().seed(at(4)).answer({ key, type: 'gone', incarnation: 'e1', sequence: 6 });
    expect([gone.value, gone.sequence, gone.status]).toEqual([undefined, 6, 'gone']);
    gone.receive(at(5), at(7));
    expect([gone.value, gone.status]).toEqual([7, 'ok']);
    const denied = asking().seed(at(4)).answer({ key, type: 'denied', reason: 'not yours' });
    expect([denied.value, denied.status, denied.persisted.at(-1)]).toEqual([
      undefined,
      'denied',
      null,
    ]);
    const skew = asking().seed(at(4)).answer({ key, type: 'skew', server_version: '2.0' });
    expect([skew.value, skew.status, skew.skews]).toEqual([4, 'skew', ['2.0']]);
    const converted = asking()
      .start()
      .answer({ key, type: 'skew', server_version: '2.0', envelope: at(8) });
    expect([converted.value, converted.status]).toEqual([8, 'ok']);
  });

  test('R71 what was made anew while an older answer was on its way that it is gone stays', () => {
    const item = asking().seed(at(4)).receive(at(6));
    item.answer({ key, type: 'gone', incarnation: 'e1', sequence: 5 });
    expect([item.value, item.sequence, item.status]).toEqual([6, 6, 'ok']);
    expect(item.stats.staleSnapshots).toBe(1);
    const other = asking().seed(at(4)).receive(at(6));
    other.answer({ key, type: 'gone', incarnation: 'e1', sequence: 6 });
    expect([other.value, other.sequence, other.status]).toEqual([undefined, 6, 'gone']);
  });

  test('R79 what was gone and is there again in a major that cannot be read is skew, and no longer gone or denied', () => {
    const item = asking().start().answer({ key, type: 'gone', incarnation: 'e1', sequence: 3 });
    item.receive(at(4, { schema_version: '9.0' }));
    expect([item.value, item.status]).toEqual([undefined, 'refetching']);
    item.answer({ key, type: 'skew', server_version: '9.0' });
    expect(item.status).toBe('skew');
    item.tell({ type: 'told', answer: { key, type: 'denied', reason: 'no' } });
    expect(item.status).toBe('denied');
    item.tell({ type: 'retry' }).answer({ key, type: 'skew', server_version: '9.0' });
    expect(item.status).toBe('skew');
  });

  test('R31 R79 a reconnect asks once for each record; a reset takes the place of what there is', () => {
    const item = asking().seed(at(4)).answer({ key, type: 'current' });
    item.tell({ type: 'reconnected' });
    expect(item.requests).toEqual([1, 2]);
    item.answer({ key, type: 'snapshot', envelope: at(3, { n: 33 }), reset: true });
    expect([item.value, item.sequence]).toEqual([33, 4]);
  });
});
