import { Listener, type ListenerEffect } from '@holdfast/engine/session';
import { describe, expect, test } from 'vitest';

function open(): Listener {
  return new Listener({ now: 0, maxChannels: 2, idleTimeoutMs: 60_000 });
}

function receive(
  listener: Listener,
  [joinRef, ref, topic, event]: string[],
): readonly ListenerEffect[] {
  const frame = {
    joinRef: joinRef ?? null,
    ref: ref ?? null,
    topic: topic ?? '',
    event: event ?? '',
  };
  return listener.step({ now: 0, type: 'received', frame: { ...frame, payload: {} } });
}

function joined(): Listener {
  const listener = open();
  receive(listener, ['j', 'j', 'store:a/b', 'phx_join']);
  listener.step({ now: 0, type: 'accept', channel: 1, response: {} });
  return listener;
}

function refsOf(effects: readonly ListenerEffect[]): (string | null)[] {
  return effects.flatMap((effect) => (effect.type === 'send' ? [effect.frame.ref] : []));
}

describe('a listener', () => {
  test('keeps the order of answers while pushes never stop coming', () => {
    const listener = joined();
    const refs: (string | null)[] = [];
    for (let slot = 0; slot < 5000; slot += 1) {
      receive(listener, ['j', `${slot}`, 'store:a/b', 'write']);
      // Each pair is answered in reverse, one pair behind.
      const late = slot % 2 === 1 && slot > 2 ? [slot - 2, slot - 3] : [];
      for (const each of late) {
        const answer = { channel: 1, slot: each, status: 'ok', response: {} } as const;
        refs.push(...refsOf(listener.step({ now: 0, type: 'answer', ...answer })));
      }
    }
    expect(refs).toHaveLength(4998);
    expect(refs).toEqual(refs.map((_, index) => String(index)));
  });

  test('lets 20 000 pushes of a channel wait for their answers, and closes at one more', () => {
    const listener = joined();
    for (let push = 1; push <= 20_000; push += 1) {
      expect(receive(listener, ['j', `${push}`, 'store:a/b', 'write'])[0]?.type).toBe('push');
    }
    expect(receive(listener, ['j', 'more', 'store:a/b', 'write'])).toEqual([
      { type: 'close', code: 1013, reason: 'overload' },
    ]);
  });

  test('lets 1000 frames wait for the decision on a join, and closes at one more', () => {
    const listener = open();
    receive(listener, ['j', 'j', 'store:a/b', 'phx_join']);
    for (let push = 1; push <= 1000; push += 1) {
      expect(receive(listener, ['j', `${push}`, 'store:a/b', 'write'])).toEqual([]);
    }
    expect(receive(listener, ['j', 'more', 'store:a/b', 'write'])).toEqual([
      { type: 'close', code: 1013, reason: 'overload' },
    ]);
  });

  test('bounds the channels also where their kinds are invented', () => {
    const listener = open();
    const types = Array.from({ length: 17 }, (_, kind) => {
      const [effect] = receive(listener, [`${kind}`, `${kind}`, `kind ${kind}:x`, 'phx_join']);
      return effect?.type;
    });
    expect(types).toEqual([...Array.from({ length: 16 }, () => 'join'), 'send']);
    expect(listener.describe().channels).toHaveLength(16);
  });

  test('asks its host about 16 tokens at a time and refuses one more for now', () => {
    const listener = open();
    const control = ['phoenix', 'access_token'];
    for (let ref = 1; ref <= 16; ref += 1) {
      expect(receive(listener, ['j', `${ref}`, ...control])[0]?.type).toBe('control');
    }
    expect(receive(listener, ['j', '17', ...control])).toMatchObject([
      { frame: { ref: '17', payload: { status: 'error', response: { reason: 'overloaded' } } } },
    ]);
    listener.step({ now: 0, type: 'answerControl', ref: '1', status: 'ok', response: {} });
    expect(receive(listener, ['j', '18', ...control])[0]?.type).toBe('control');
  });

  test('describes its channels', () => {
    const listener = joined();
    receive(listener, ['j', '1', 'store:a/b', 'write']);
    receive(listener, ['j', '2', 'store:a/b', 'phx_leave']);
    receive(listener, ['k', 'k', 'store:a/c', 'phx_join']);
    expect(listener.describe()).toEqual({
      closed: false,
      heardAt: 0,
      channels: [
        { channel: 1, topic: 'store:a/b', state: 'leaving', unanswered: 2 },
        { channel: 2, topic: 'store:a/c', state: 'deciding', unanswered: 0 },
      ],
    });
  });
});

test('a sign of life that is no frame keeps the socket open, and nothing else does', () => {
  const listener = open();
  listener.step({ now: 59_000, type: 'heard' });
  expect(listener.step({ now: 118_999, type: 'tick' })).toEqual([]);
  expect(listener.step({ now: 119_000, type: 'tick' })).toMatchObject([
    { type: 'close', code: 1001 },
  ]);
});
