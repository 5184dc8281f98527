import type { Check } from '../check.ts';
import { accepted, Peer, refusalBody, refused, UpgradeRefused } from '../peer.ts';
import type { Manner, Stage } from '../stage.ts';
import { demand, same, Violation } from '../violation.ts';

const wrong: readonly (readonly [string, Manner, string])[] = [
  ['a token that nobody has', { token: 'no-token-of-this-server' }, 'unauthorized'],
  ['capver 2', { capver: '2' }, 'capver_unsupported'],
  ['no capver', { capver: null }, 'capver_unsupported'],
  ['vsn 1.0.0', { vsn: '1.0.0' }, 'vsn_unsupported'],
  ['no device_id', { device: null }, 'invalid_params'],
  ['a device_id that is the server’s own', { device: 'system:me' }, 'invalid_params'],
  ['a device_id of 129 bytes', { device: 'x'.repeat(129) }, 'invalid_params'],
];

/** How a socket is opened (stores.md §7.1). */
export const handshake: readonly Check[] = [
  {
    number: '1.1',
    title: 'an upgrade that is wrong is refused with 403 and says why',
    spec: '7.1.3',
    play: async (stage) => {
      for (const [what, manner, error] of wrong) {
        const refusal = await refusalOf(stage, manner);
        demand(refusal !== null, `${what} was let in`);
        same(refusal.status, 403, `the status for ${what}`);
        const body = refusalBody(refusal);
        same(body['error'], error, `the error for ${what}`);
        same(typeof body['detail'], 'string', `the type of the detail for ${what}`);
      }
    },
  },
  {
    number: '1.2',
    title: 'both addresses serve stores, and the token may come in a header',
    spec: '7.1.1',
    play: async (stage) => {
      for (const mount of ['/ws/sync/websocket', '/socket/websocket']) {
        const peer = await stage.joined({ mount, token: null, bearer: stage.setting.token });
        await peer.put(stage.path(stage.id()), 1);
      }
    },
  },
  {
    number: '1.3',
    title: 'a socket without capver and device joins no store',
    spec: '7.1.3',
    play: async (stage) => {
      const peer = await stage.connect({
        mount: '/socket/websocket',
        capver: null,
        device: null,
      });
      refused(await peer.join({ last_store_seq: 0 }), { reason: 'unauthorized' });
    },
  },
  {
    number: '1.4',
    title: 'a later capver is served as the newest that the server speaks',
    spec: '7.1.2',
    capver: 4,
    play: async (stage) => {
      const peer = await stage.connect({ capver: '99' });
      same(accepted(await peer.join(stage.whole()))['capver'], 4, 'the capver of the reply');
    },
  },
  {
    number: '1.5',
    title: 'JSON text is taken on a MessagePack socket, and answered in MessagePack',
    spec: '7.2.1',
    format: 'messagepack',
    play: async (stage) => {
      const peer = await stage.joined();
      const payload = { op: 'set', path: stage.path('a'), value: 1, client_op_id: stage.id() };
      peer.sendRaw(JSON.stringify([peer.joinRef, 'text', stage.topic, 'write', payload]));
      accepted(await peer.reply('text'));
    },
  },
];

async function refusalOf(stage: Stage, manner: Manner): Promise<UpgradeRefused | null> {
  const answer = await stage.connect(manner).catch((error: unknown) => error);
  if (answer instanceof Peer) return null;
  if (answer instanceof UpgradeRefused) return answer;
  throw new Violation(`no answer to an upgrade: ${String(answer)}`);
}
