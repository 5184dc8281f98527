import type { Check } from '../check.ts';
import { opsIn } from '../frames.ts';
import { accepted, refused } from '../peer.ts';
import { same } from '../violation.ts';

/** Requests that are sent again (stores.md §6). */
export const once: readonly Check[] = [
  {
    number: '9.1',
    title: 'a request that is sent again gets the first answer and changes nothing',
    spec: '6.3',
    play: async (stage) => {
      const peer = await stage.joined();
      const request = {
        op: 'increment',
        path: stage.path('n'),
        value: 1,
        client_op_id: stage.id(),
      };
      const first = accepted(await peer.ask('write', request));
      const frames = await peer.upToReply(peer.push('write', request));
      same(frames.at(-1)?.[4], { status: 'ok', response: first }, 'the second answer');
      same(opsIn(frames), [], 'what else came');
      same((await stage.read()).get(stage.path('n'))?.value, 1, 'the total');
    },
  },
  {
    number: '9.2',
    title: 'it is known again after a lost connection, by its device',
    spec: '6.2',
    play: async (stage) => {
      const request = {
        op: 'increment',
        path: stage.path('n'),
        value: 1,
        client_op_id: stage.id(),
      };
      const before = await stage.joined();
      const { device } = before;
      const first = accepted(await before.ask('write', request));
      before.cut();
      const after = await stage.joined({ device });
      same(accepted(await after.ask('write', request)), first, 'the answer to the same device');
      const other = await stage.joined();
      const second = accepted(await other.ask('write', request));
      same(second, { store_seq: Number(first['store_seq']) + 1 }, 'the answer to another device');
    },
  },
  {
    number: '9.3',
    title: 'the same id with other content is refused',
    spec: '6.3',
    play: async (stage) => {
      const peer = await stage.joined();
      const request = { op: 'set', path: stage.path('a'), value: 1, client_op_id: stage.id() };
      accepted(await peer.ask('write', request));
      for (const other of [{ value: 2 }, { path: stage.path('b') }, { if_absent: true }]) {
        const reply = await peer.ask('write', { ...request, ...other });
        refused(reply, { reason: 'duplicate_op_id' });
      }
    },
  },
  {
    number: '9.4',
    title: 'a request that was refused is judged afresh when it is sent again',
    spec: '6.3',
    play: async (stage) => {
      const peer = await stage.joined();
      const request = {
        op: 'increment',
        path: stage.path('a'),
        value: 1,
        client_op_id: stage.id(),
      };
      await peer.put(stage.path('a'), 'text');
      refused(await peer.ask('write', request), { reason: 'type_mismatch' });
      await peer.put(stage.path('a'), 41);
      accepted(await peer.ask('write', request));
      same((await stage.read()).get(stage.path('a'))?.value, 42, 'the total');
    },
  },
  {
    number: '9.5',
    title: 'a write without an id of 1 to 128 bytes is refused',
    spec: '6.1',
    play: async (stage) => {
      const peer = await stage.joined();
      const request = { op: 'set', path: stage.path('a'), value: 1 };
      for (const id of [undefined, '', 7, 'x'.repeat(129), 'é'.repeat(65)]) {
        const payload = id === undefined ? request : { ...request, client_op_id: id };
        refused(await peer.ask('write', payload), {
          reason: 'invalid_payload',
          field: 'client_op_id',
        });
      }
      accepted(await peer.ask('write', { ...request, client_op_id: stage.id().padEnd(128, 'x') }));
    },
  },
  {
    number: '9.6',
    title: 'op_status knows what was committed',
    spec: '10.7.1',
    capver: 4,
    play: async (stage) => {
      const peer = await stage.joined();
      const id = stage.id();
      const unknown = accepted(await peer.ask('op_status', { client_op_id: id }));
      same(unknown, { state: 'unknown' }, 'before');
      const seq = await peer.seq('set', stage.path('a'), { value: 1, client_op_id: id });
      const known = accepted(await peer.ask('op_status', { client_op_id: id }));
      same(known, { state: 'committed', store_seq: seq }, 'after');
    },
  },
];
