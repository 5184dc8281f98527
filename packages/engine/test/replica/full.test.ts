import { describe, expect, test } from 'vitest';
import { asPath } from '@holdfast/protocol';
import { Desk } from './desk.ts';

const bytesOf = (value: string): number =>
  JSON.stringify({ op: 'set', path: asPath('k'), value }).length;

describe('an outbox that is full', () => {
  test('takes as many requests as its limit, and refuses one more with the limit', () => {
    const desk = new Desk({ outboxMax: { requests: 3, bytes: 10_000 } });
    for (const id of ['1', '2', '3']) desk.set(id, `k${id}`, 1);
    desk.set('4', 'k4', 1);
    expect(desk.outcome('4')).toMatchObject({
      status: 'refused',
      refusal: {
        code: 'outbox_full',
        retry: 'never',
        details: { dimension: 'requests', limit: 3 },
      },
    });
    expect([desk.value('k3'), desk.value('k4')]).toEqual([1, undefined]);
    expect(desk.outbox()).toEqual(['1 queued', '2 queued', '3 queued']);
  });

  test('takes as many bytes as its limit, and refuses one more with the limit', () => {
    const bytes = bytesOf('four') + bytesOf('é');
    const desk = new Desk({ outboxMax: { requests: 10, bytes: bytes + 1 } });
    desk.set('1', 'k', 'four');
    desk.set('2', 'k', 'éx');
    expect(desk.outcome('2')).toMatchObject({
      refusal: { code: 'outbox_full', details: { dimension: 'bytes', limit: bytes + 1 } },
    });
    desk.set('3', 'k', 'é');
    expect(desk.outbox()).toEqual(['1 queued', '3 queued']);
  });

  test('takes more when some are committed, refused or taken back', () => {
    const desk = new Desk({ outboxMax: { requests: 2, bytes: 1000 } }).live();
    desk.set('1', 'a', 1);
    desk.set('2', 'b', 2);
    desk.ok('1', { store_seq: 1 });
    desk.events([[1, 'set', 'a', 1, 'me', '1']]);
    desk.set('3', 'c', 3);
    expect(desk.outbox()).toEqual(['2 sent', '3 sent']);
    desk.refuse('2', 'type_mismatch', { type: 'string' });
    desk.set('4', 'd', 4);
    expect(desk.outbox()).toEqual(['3 sent', '4 sent']);
    desk.set('5', 'e', 5);
    expect(desk.outcome('5')).toMatchObject({ refusal: { code: 'outbox_full' } });
  });

  test('counts what a former life has left', () => {
    const former = new Desk();
    for (const id of ['1', '2', '3']) former.set(id, 'k', 1);
    const image = former.replica.image();
    const desk = new Desk({ image, outboxMax: { requests: 3, bytes: 10_000 } });
    desk.set('4', 'k', 1);
    expect(desk.outcome('4')).toMatchObject({ refusal: { code: 'outbox_full' } });
    expect(desk.outbox()).toHaveLength(3);
  });
});

test('a refusal says what was refused, of what was accepted', () => {
  const desk = new Desk().live();
  desk.set('1', 'k', 1);
  desk.refuse('1', 'conflict', { current_revision: 4 });
  const told = desk.effects.find((effect) => effect.type === 'settled');
  expect(told).toMatchObject({ pending: { opId: '1', request: { op: 'set', value: 1 } } });
  desk.set('2', '', 1);
  const atOnce = desk.effects.findLast((effect) => effect.type === 'settled');
  expect(atOnce).not.toHaveProperty('pending');
});
