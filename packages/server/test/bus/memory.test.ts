import { describe, expect, it } from 'vitest';
import { memoryBus } from '@holdfast/server/bus';
import { busConformance } from '@holdfast/server/bus/conformance';

describe('the memory bus keeps the law of the bus', () => {
  for (const { name, run } of busConformance({ open: async (options) => memoryBus(options) })) {
    it(name, run);
  }

  it('loses what goes beyond 10 000 undelivered messages, and goes on afterwards', async () => {
    const bus = memoryBus();
    let heard = 0;
    bus.subscribe('topic', () => {
      heard += 1;
    });
    for (let i = 0; i < 10_001; i++) bus.publish('topic', new Uint8Array(0));
    await Promise.resolve();
    expect(heard).toBe(10_000);
    bus.publish('topic', new Uint8Array(0));
    await Promise.resolve();
    expect(heard).toBe(10_001);
  });
});
