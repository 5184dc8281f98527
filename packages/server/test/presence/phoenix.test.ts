import { Presence } from 'phoenix';
import { expect, test } from 'vitest';
import { principals } from '../conversation/principals.ts';
import { world } from '../conversation/world.ts';
import { answerTo, dropSocket, openSocket, transports } from '../phoenix/client.ts';
import { attend, room } from './peers.ts';

type Meta = { readonly peer: string; readonly state: unknown };

test.each(transports)(
  'S85 the Presence class of phoenix.js over %s follows unchanged: joins, updates, leaves, a lost socket',
  async (_name, opening) => {
    const home = await world({ authenticate: principals({ ann: {}, bob: {} }) });
    const socket = openSocket(home.url, { ...opening, token: 'ann', capver: '4' });
    const channel = socket.channel(room, { peer: 'tab' });
    const presence = new Presence(channel);
    const told: string[] = [];
    presence.onJoin((key, current) =>
      told.push(`${key} ${current === undefined ? 'joins' : 'again'}`),
    );
    presence.onLeave((key, current) => {
      const { metas } = current as { metas: unknown[] };
      told.push(`${key} ${metas.length === 0 ? 'leaves' : 'less'}`);
    });
    const seen = (): string[] =>
      presence
        .list((key, { metas }) =>
          (metas as Meta[]).map(({ peer, state }) => `${key}/${peer} ${JSON.stringify(state)}`),
        )
        .flat()
        .toSorted();
    expect((await answerTo(channel.join()))[0]).toBe('ok');
    const tabs = [];
    for (const peer of ['b1', 'b2']) {
      const tab = await home.connect({ token: 'bob' });
      await attend(tab, { peer, state: { n: 1 } });
      tabs.push(tab);
    }
    await expect.poll(seen).toEqual(['bob/b1 {"n":1}', 'bob/b2 {"n":1}']);
    expect(told).toEqual(['bob joins', 'bob again']);
    await tabs[0]?.ask(room, 'presence_track', { state: { n: 2 } });
    await expect.poll(seen).toEqual(['bob/b1 {"n":2}', 'bob/b2 {"n":1}']);
    expect(told.slice(2)).toEqual(['bob again', 'bob less']);
    const [status, reply] = await answerTo(channel.push('presence_track', { state: { me: true } }));
    expect([status, Object.keys(reply)]).toEqual(['ok', ['phx_ref']]);
    await expect.poll(seen).toContain('ann/tab {"me":true}');
    dropSocket(socket);
    await tabs[1]?.ask(room, 'presence_untrack', {});
    // It joins again by itself; its own state is gone only after the grace.
    await expect.poll(seen).toEqual(['ann/tab {"me":true}', 'bob/b1 {"n":2}']);
    await tabs[0]?.ask(room, 'phx_leave', {});
    await expect.poll(seen).toEqual(['ann/tab {"me":true}']);
    expect(told).toContain('bob leaves');
  },
);
