import {
  type EnvelopeStream,
  streamTransport,
  type TransportProblem,
} from '@holdfast/engine/record';
import type { Envelope } from '@holdfast/protocol/record';
import { describe, expect, test } from 'vitest';
import { collect, envelope } from './bus.ts';

describe('from streams', () => {
  test('R81 R84 R91 a stream is opened and listened to once for a key, and closed once with the last subscriber', () => {
    const log: string[] = [];
    const tells: ((each: Envelope) => void)[] = [];
    const transport = streamTransport({
      open: (key) => {
        log.push(`open ${key}`);
        return {
          listen: (hear) => {
            log.push('listen');
            tells.push(hear);
          },
          close: () => log.push(`close ${key}`),
        };
      },
    });
    const seen: number[] = [];
    const [one, two] = [
      transport.subscribe('a', collect(seen)),
      transport.subscribe('a', collect(seen)),
    ];
    tells[0]?.(envelope(1));
    one();
    two();
    two();
    tells[0]?.(envelope(2));
    expect(seen).toEqual([1, 1]);
    expect(log).toEqual(['open a', 'listen', 'close a']);
  });

  test('R84 a stream that was closed tells nobody anything, also not who subscribes to its key later', () => {
    const tells: ((each: Envelope) => void)[] = [];
    const transport = streamTransport({ open: () => ({ listen: (hear) => tells.push(hear) }) });
    const seen: number[] = [];
    transport.subscribe('a', () => {})();
    transport.subscribe('a', collect(seen));
    tells[0]?.(envelope(1));
    tells[1]?.(envelope(2));
    expect(seen).toEqual([2]);
  });

  test('R96 where the stream cannot be opened nothing stays subscribed', () => {
    const transport = streamTransport({
      open: () => {
        throw new Error('no stream');
      },
    });
    expect(() => transport.subscribe('a', () => {})).toThrow('no stream');
    expect(transport.keyCount()).toBe(0);
  });

  test('R245 it can only be read', () => {
    const transport = streamTransport({ open: () => ({ listen: () => {} }) });
    expect(() => transport.publish('a', envelope(1))).toThrow(
      expect.objectContaining({ code: 'read_only' }),
    );
  });

  test('R69 failures are told, and a stream that is open again is a reconnect', () => {
    const problems: TransportProblem[] = [];
    const hears: { error?: (error: unknown) => void; open?: () => void; close?: () => void } = {};
    const stream: EnvelopeStream = {
      listen: () => {},
      onError: (hear) => (hears.error = hear),
      onOpen: (hear) => (hears.open = hear),
      onClose: (hear) => (hears.close = hear),
    };
    const transport = streamTransport({
      open: () => stream,
      onError: (each) => problems.push(each),
    });
    let reconnects = 0;
    transport.onReconnect(() => (reconnects += 1));
    transport.subscribe('a', () => {});
    hears.open?.();
    hears.close?.();
    hears.open?.();
    hears.error?.('broken');
    expect(reconnects).toBe(1);
    expect(problems).toEqual([{ phase: 'stream', key: 'a', error: 'broken' }]);
  });
});
