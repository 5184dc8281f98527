import { Tail } from '@holdfast/engine/view';
import type { PatchOp } from '@holdfast/protocol/views';
import { expect, test } from 'vitest';

test('V65 what an envelope holds is encoded once for each wire format, however many it is sent to (views.md §5.5)', () => {
  const looks = { text: 0, packed: 0 };
  const ops: readonly PatchOp[] = [{ op: 'replace', path: '/said', value: 'äöü' }];
  const tail = new Tail({
    get ops() {
      looks.text += 1;
      return ops;
    },
    stream_ops: [],
    upload_ops: [],
    events: [],
  });
  const pack = (): Uint8Array => {
    looks.packed += 1;
    return new Uint8Array(7);
  };
  const [texts, packs] = [new Set<string>(), new Set<Uint8Array>()];
  for (let subscriber = 0; subscriber < 1000; subscriber += 1) {
    texts.add(tail.text);
    packs.add(tail.packed(pack));
  }
  expect([...texts]).toEqual([
    '"ops":[{"op":"replace","path":"/said","value":"äöü"}],"stream_ops":[],"upload_ops":[],"events":[]}',
  ]);
  expect(packs.size).toBe(1);
  expect(looks).toEqual({ text: 1, packed: 1 });
  // What is counted against limits is what was encoded: nothing is for that alone.
  expect(tail.bytes).toBe(7);
  expect(looks).toEqual({ text: 1, packed: 1 });
});
