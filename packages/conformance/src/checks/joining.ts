import { isObject } from '@holdfast/protocol';
import type { Check } from '../check.ts';
import { integerOf, listOf, objectOf, opsIn, textOf } from '../frames.ts';
import { accepted, refused } from '../peer.ts';
import type { Stage } from '../stage.ts';
import { demand, same } from '../violation.ts';

const legacyFields = 'capver capver_min permissions scopes store_access store_seq'.split(' ');
const fields = [
  ...legacyFields,
  ...'incarnation scope patterns sync why oldest_seq dedupe_since server_time expires_at'.split(
    ' ',
  ),
  'limits',
];
const limits =
  'max_frame_bytes hard_frame_bytes max_value_bytes max_leaves_per_write max_depth max_segment_bytes max_path_bytes max_tx_ops max_patterns';

/** How a channel begins (stores.md §7.4, §10.1). */
export const joining: readonly Check[] = [
  {
    number: '3.1',
    title: 'the reply to a join has every field of its dialect',
    spec: '7.4.4',
    play: async (stage) => {
      const peer = await stage.connect();
      const { capver } = stage.tongue;
      const reply = accepted(await peer.join({ last_store_seq: 0 }));
      for (const field of capver === 3 ? legacyFields : fields) {
        demand(Object.hasOwn(reply, field), `the reply lacks ${field}`);
      }
      same([reply['capver'], reply['capver_min']], [capver, 3], 'capver and capver_min');
      same(reply['permissions'], { read: true, write: true }, 'the permissions');
      const scopes = listOf(reply, 'scopes').map(String);
      same(scopes, scopes.toSorted(), 'the order of the scopes');
      demand(scopes.includes('entries:read'), 'the scope entries:read is not told');
      integerOf(reply, 'store_seq');
      demand(isObject(reply['store_access']), 'store_access is no object');
      if (capver === 4) modernFields(reply);
    },
  },
  {
    number: '3.2',
    title: 'a store that is malformed or not there is unauthorized, and so is nothing else',
    spec: '7.4.1',
    play: async (stage) => {
      const peer = await stage.connect();
      const [org] = stage.setting.store.split('/');
      const unknown = `${org}/not-there-${stage.setting.word}`;
      for (const store of [unknown, `${org}`, `${org}/`, '/x', '../x', `${org}/a/b`, 'A B/c']) {
        refused(await peer.join({ last_store_seq: 0 }, `store:${store}`), {
          reason: 'unauthorized',
        });
      }
      accepted(await peer.join({ last_store_seq: await stage.head() }));
    },
  },
  {
    number: '3.3',
    title: 'a join without a cursor that is one is refused, and the next succeeds',
    spec: '7.4.2',
    play: async (stage) => {
      const peer = await stage.connect();
      for (const payload of [
        {},
        { last_store_seq: -1 },
        { last_store_seq: '0' },
        { last_store_seq: 0.5 },
      ]) {
        refused(await peer.join(payload), { reason: 'invalid_payload', field: 'last_store_seq' });
      }
      accepted(await peer.join({ last_store_seq: await stage.head() }));
    },
  },
  {
    number: '3.4',
    title: 'after the reply come what is lacking, catch_up_complete, and then what happens',
    spec: '7.6.4',
    play: async (stage) => {
      const writer = await stage.joined();
      await writer.put(stage.path('before'), 1);
      const peer = await stage.connect();
      const cut = await joinFresh(stage, peer.join.bind(peer));
      const frames = await peer.caughtUp();
      same(frames.at(-1)?.[4], { through_seq: cut }, 'catch_up_complete');
      const seq = await writer.put(stage.path('after'), 2);
      same(
        (await peer.hear(seq)).map((op) => [op.seq, op.path]),
        [[cut + 1, stage.path('after')]],
        'what comes first after the cut',
      );
    },
  },
  {
    number: '3.5',
    title: 'a token that may only read is told so, and its write is refused for the scope',
    spec: '7.4.3',
    needsReadOnlyToken: true,
    play: async (stage) => {
      const peer = await stage.connect({ token: stage.setting.readOnlyToken });
      const reply = accepted(await peer.join({ last_store_seq: await stage.head() }));
      same(reply['permissions'], { read: true, write: false }, 'the permissions');
      await peer.caughtUp();
      const missing = { reason: 'missing_scope', scope: 'entries:write' };
      const refusal = refused(await peer.write('set', stage.path('a'), { value: 1 }), missing);
      textOf(refusal, 'message');
      refused(await peer.ask('write', {}), missing);
    },
  },
  {
    number: '3.6',
    title: 'status tells the head, the counts and the last ops',
    spec: '7.5',
    play: async (stage) => {
      const peer = await stage.joined();
      const seq = await peer.put(stage.path('a'), 1);
      const status = accepted(await peer.ask('status', {}));
      same(status['current_seq'], seq, 'current_seq');
      for (const field of ['entry_count', 'op_count', 'file_storage_bytes', 'db_size_bytes']) {
        demand(integerOf(status, field) >= 0, `${field} is negative`);
      }
      for (const field of ['permissions', 'scopes', 'store_access', 'incarnation', 'oldest_seq']) {
        demand(Object.hasOwn(status, field), `status lacks ${field}`);
      }
      const ops = listOf(status, 'recent_ops').map((op) => objectOf(op, 'a recent op'));
      demand(ops.length <= 10, 'more than ten recent ops');
      demand(
        ops.some((op) => op['store_seq'] === seq && op['path'] === stage.path('a')),
        'the last op is not among recent_ops',
      );
    },
  },
  {
    number: '3.7',
    title: 'capver 3 hears no event names but its own',
    spec: '7.3',
    capver: 3,
    play: async (stage) => {
      const peer = await stage.connect();
      accepted(await peer.join({ last_store_seq: 0 }));
      const frames = [...(await peer.caughtUp())];
      const other = await stage.joined({ capver: '4' });
      const ops = [1, 2].map((value) => ({ op: 'set', path: stage.path('a'), value }));
      accepted(await other.ask('transact', { client_op_id: stage.id(), ops }));
      await other.write('lease', stage.path('lease'), { ttl_ms: 1 });
      await other.until(([, , , event]) => event === 'lease_expired', 'lease_expired');
      frames.push(...(await peer.settled()));
      demand(opsIn(frames).length >= 3, 'the ops of others were not heard');
      for (const [, , , event] of frames) {
        demand(/^(event|snapshot|catch_up_complete|phx_.*)$/.test(event), `capver 3 got ${event}`);
      }
    },
  },
];

function modernFields(reply: { readonly [field: string]: unknown }): void {
  const incarnation = textOf(reply, 'incarnation');
  demand(incarnation !== '' && incarnation.length <= 64, `the incarnation is ${incarnation}`);
  textOf(reply, 'scope');
  same(reply['patterns'], ['**'], 'the patterns of a join without any');
  for (const field of ['oldest_seq', 'dedupe_since', 'server_time']) integerOf(reply, field);
  const told = objectOf(reply['limits'], 'limits');
  for (const limit of limits.split(' ')) demand(integerOf(told, limit) > 0, `${limit} is not told`);
}

type Join = (payload: {
  readonly [field: string]: unknown;
}) => ReturnType<Awaited<ReturnType<Stage['connect']>>['join']>;

async function joinFresh(stage: Stage, join: Join): Promise<number> {
  const payload = stage.tongue.capver === 3 ? { last_store_seq: 0 } : stage.whole();
  return integerOf(accepted(await join(payload)), 'store_seq');
}
