import { expect, test } from 'vitest';
import { sparingLog } from '../src/sparing-log.ts';

/** A log that spares lines, a clock for it, and what was told. */
function spared() {
  const told: (readonly [message: string, details: object])[] = [];
  const tell = (details: object, message: string): void => void told.push([message, details]);
  let ms = 0;
  const log = sparingLog({ info: tell, error: tell }, { now: () => ms });
  const pass = (by: number): void => {
    ms += by;
  };
  return { log, told, pass };
}

test('each line has ten a second of its own, and the first of those after them tells how many were left out', () => {
  const { log, told, pass } = spared();
  for (let at = 0; at < 12; at += 1) {
    log.error({ at }, 'one');
    log.info({ at }, 'other');
  }
  expect(told).toHaveLength(20);
  pass(999);
  log.error({}, 'one');
  expect(told).toHaveLength(20);
  pass(1);
  log.error({ at: 0 }, 'one');
  log.error({ at: 1 }, 'one');
  log.info({ at: 0 }, 'other');
  expect(told.slice(20)).toEqual([
    ['one', { at: 0, untold: 3 }],
    ['one', { at: 1 }],
    ['other', { at: 0, untold: 2 }],
  ]);
});

test('a line that has an id by which somebody may ask for it is told always', () => {
  const { log, told } = spared();
  for (let at = 0; at < 25; at += 1) log.error({ errorId: `e${at}` }, 'a request failed');
  expect(told).toHaveLength(25);
});
