import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import type { Check } from '../check.ts';
import { objectOf } from '../frames.ts';
import { refused } from '../peer.ts';
import { demand, same, show } from '../violation.ts';

const typed = (type: string, text: string): object => ({ _type: type, _typed: text });

const sound: readonly (readonly [unknown, string])[] = [
  [null, 'null'],
  [false, 'boolean'],
  ['', 'string'],
  ['\u0000 \u{1f600} " \\ / é', 'string'],
  [9007199254740991, 'integer'],
  [-9007199254740991, 'integer'],
  [0.1, 'float'],
  [1e-7, 'float'],
  [[1, [2, { a: null }], 'x'], 'list'],
  [[], 'list'],
  [{}, 'map'],
  [typed('decimal', '29.990'), 'decimal'],
  [typed('datetime', '2026-03-31T12:00:00.000+02:00'), 'datetime'],
  [typed('bigint', '-123456789012345678901234567890'), 'bigint'],
  [typed('bytes', 'aGk='), 'bytes'],
];

const wrong: readonly (readonly [unknown, string])[] = [
  [typed('decimal', '1.'), 'invalid_typed_value'],
  [typed('datetime', '2026-02-30T00:00:00Z'), 'invalid_typed_value'],
  [typed('bigint', '007'), 'invalid_typed_value'],
  [typed('bytes', 'aGk'), 'invalid_typed_value'],
  [{ a: [typed('bytes', '!')] }, 'invalid_typed_value'],
  [{ _type: 'decimal', _typed: '1', more: 1 }, 'reserved_type'],
  [{ _type: 'lease', holder: null, token: 1, expires_at: 1 }, 'reserved_type'],
  [typed('counter', '1'), 'reserved_type'],
  [2 ** 53, 'number_out_of_range'],
  [[-(2 ** 60)], 'number_out_of_range'],
];

/** What may be stored, and how it comes back (stores.md §3). */
export const values: readonly Check[] = [
  {
    number: '6.1',
    title: 'every value comes back as it was written, with its type',
    spec: '3.1.7',
    play: async (stage) => {
      const [peer, other] = [await stage.joined(), await stage.joined()];
      for (const [index, [value]] of sound.entries()) {
        const seq = await peer.put(stage.path(`v${index}`), value);
        same((await other.hear(seq))[0]?.value, value, 'the value of the op');
      }
      const leaves = await stage.read();
      for (const [index, [value, type]] of sound.entries()) {
        const leaf = leaves.get(stage.path(`v${index}`));
        same(leaf?.value, value, 'the value of the leaf');
        same(leaf?.type, type, `the type of ${show(value)}`);
      }
    },
  },
  {
    number: '6.2',
    title: 'a value that is none is refused with what is wrong with it',
    spec: '3.1.3',
    play: async (stage) => {
      const peer = await stage.joined();
      for (const [value, reason] of wrong) {
        const reply = await peer.write('set', stage.path('v'), { value });
        refused(reply, { reason });
        demand(typeof reply.response['path'] === 'string', `${reason} names no path`);
      }
    },
  },
  {
    number: '6.3',
    title: 'objects with a _type that nobody reserved, and words of other systems, are plain',
    spec: '3.1.3',
    play: async (stage) => {
      const peer = await stage.joined();
      const value = { _type: 'mine', _typed: 'x', _scalar: 1, __proto__x: 2, constructor: 3 };
      await peer.put(stage.path('o'), value);
      const leaves = await stage.read();
      for (const [key, each] of Object.entries(value)) {
        same(leaves.get(stage.path(`o/${key}`))?.value, each, key);
      }
    },
  },
  {
    number: '6.4',
    title: 'an op that cannot act on its value, or on what is there, is refused',
    spec: '4.2',
    play: async (stage) => {
      const peer = await stage.joined();
      await peer.put(stage.path('s'), 'text');
      await peer.put(stage.path('m'), { a: 1 });
      const refusals: readonly (readonly [string, string, unknown, object])[] = [
        ['merge', 'x', 'text', { reason: 'merge_requires_map_value' }],
        ['increment', 'x', '1', { reason: 'increment_requires_number_value' }],
        ['add', 'x', null, { reason: 'add_requires_value' }],
        ['remove', 'x', null, { reason: 'remove_requires_value' }],
        ['increment', 's', 1, { reason: 'type_mismatch', type: 'string' }],
        ['add', 's', 1, { reason: 'type_mismatch', type: 'string' }],
        ['remove', 'm', 1, { reason: 'type_mismatch', type: 'map' }],
        ['put', 'x', 1, { reason: 'invalid op' }],
        ['toString', 'x', 1, { reason: 'invalid op' }],
        ['put_file', 'x', 1, { reason: 'invalid op' }],
      ];
      for (const [op, path, value, expected] of refusals) {
        refused(await peer.write(op, stage.path(path), { value }), { ...expected });
      }
    },
  },
  {
    number: '6.5',
    title: 'what is no JSON in MessagePack is refused, and the channel lives on',
    spec: '3.1.6',
    format: 'messagepack',
    play: async (stage) => {
      const peer = await stage.joined();
      const payload = { op: 'set', path: stage.path('b'), client_op_id: stage.id() };
      const ref = peer.ref();
      peer.sendRaw(withBin([peer.joinRef, ref, stage.topic, 'write', payload]));
      refused(await peer.reply(ref), { reason: 'invalid_value' });
      await peer.put(stage.path('b'), 1);
    },
  },
];

/** The frame with the value `@@@` turned into bytes, which JSON lacks: a text of three bytes becomes a `bin` of two. */
function withBin([joinRef, ref, topic, event, payload]: readonly unknown[]): Uint8Array {
  const value = { ...objectOf(payload, 'the payload'), value: '@@@' };
  const bytes = Buffer.from(messagePackCodec().encode([joinRef, ref, topic, event, value]));
  const at = bytes.indexOf('@@@') - 1;
  return Buffer.concat([bytes.subarray(0, at), Buffer.of(0xc4, 2, 1, 2), bytes.subarray(at + 4)]);
}
