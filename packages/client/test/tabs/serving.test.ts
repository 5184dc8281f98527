import { asGlob, defaultLimits, readJoin, requestLimits } from '@holdfast/protocol';
import { Replica } from '@holdfast/engine/replica';
import { expect, test } from 'vitest';
import type { FollowerChannel } from '../../src/tabs/follower.ts';
import { StoreHub } from '../../src/tabs/hub.ts';
import type { SeatedNews, SeatedStore } from '../../src/tabs/seat.ts';
import { StoreServing } from '../../src/tabs/serving.ts';
import { snapshotOf } from '../../src/tabs/snapshot.ts';
import { platformEnv } from '../../src/env.ts';

const reply = {
  store_seq: 0,
  capver: 4,
  capver_min: 3,
  permissions: { read: true, write: true },
  scopes: [],
  store_access: { mode: 'all', store_ids: [] },
  incarnation: 'first',
  scope: 'whole',
  patterns: null,
  sync: 'tail',
  why: null,
  oldest_seq: 1,
  dedupe_since: 0,
  server_time: 0,
  expires_at: null,
  limits: {},
};

const unused = (): never => {
  throw new Error('nobody asks for this');
};

/** A tab that leads, whose store is live and empty. */
function leader(): {
  readonly serving: StoreServing;
  readonly hear: (news: SeatedNews) => void;
} {
  const replica = new Replica({
    topic: 'store:acme/app',
    patterns: [asGlob('**')],
    deviceId: 'me',
    limits: requestLimits,
    random: () => 0,
  });
  const store: SeatedStore = {
    replica,
    request: unused,
    query: unused,
    again: unused,
    relisted: unused,
    ask: unused,
    stateOf: unused,
    cancel: unused,
  };
  const hub = new StoreHub(() => 0);
  const serving = new StoreServing(hub, { env: platformEnv, report: unused, relayed: unused });
  hub.opened(store);
  hub.serving = serving;
  const hear = (news: SeatedNews): void => {
    if (news.type !== 'connection') replica.step({ ...news, now: 0, wall: 0 });
    hub.heard(store, news);
  };
  hear({ type: 'joined', response: reply });
  hear({ type: 'message', event: 'catch_up_complete', payload: { through_seq: 0 } });
  return { serving, hear };
}

/** A channel of another tab, which leaves with the answer to its join where that is the last that its line bears. */
function follower(
  serving: StoreServing,
  isDying: boolean,
): { of: FollowerChannel; heard: string[] } {
  const heard: string[] = [];
  const of: FollowerChannel = {
    accept: (response) => {
      heard.push(`sync ${String(Reflect.get(response, 'sync'))}`);
      if (isDying) serving.left(of);
    },
    refuse: unused,
    push: ({ event }) => void heard.push(event),
    shut: () => void heard.push('shut'),
    decline: unused,
  };
  return { of, heard };
}

test.for([
  ['a part', ['**']],
  ['nothing', []],
] as const)(
  'given a tab whose line ends with the answer to its join of %s, then it is not served any more',
  ([, patterns]) => {
    const { serving, hear } = leader();
    const request = readJoin({ last_store_seq: 0, patterns }, 4, defaultLimits);
    if (!('lastSeq' in request)) throw new Error(request.code);
    const [dead, living] = [follower(serving, true), follower(serving, false)];
    for (const { of } of [dead, living]) serving.join(of, request);
    dead.heard.length = 0;
    const op = [1, 'set', 'a', 1, 'they', 'they:1'];
    hear({ type: 'message', event: 'events', payload: { from_seq: 0, to_seq: 1, ops: [op] } });
    serving.shut();
    expect(dead.heard).toEqual([]);
    expect(living.heard.at(-1)).toBe('shut');
  },
);

test('given a leading tab whose state is replaced by another one of the same number, then who has the former gets all of it anew', () => {
  const { serving, hear } = leader();
  const op = [1, 'set', 'a', 1, 'they', 'they:1'];
  hear({ type: 'message', event: 'events', payload: { from_seq: 0, to_seq: 1, ops: [op] } });
  const had = { last_store_seq: 1, incarnation: 'first', scope: 'whole', patterns: ['**'] };
  const request = readJoin(had, 4, defaultLimits);
  if (!('lastSeq' in request)) throw new Error(request.code);
  const [before, after] = [follower(serving, false), follower(serving, false)];
  serving.join(before.of, request);
  const empty = { entries: [], maps: [] };
  const hidden = { id: 'hidden', seq: 1, incarnation: 'first', within: null };
  for (const message of snapshotOf(empty, hidden)) hear({ type: 'message', ...message });
  hear({ type: 'message', event: 'catch_up_complete', payload: { through_seq: 1 } });
  serving.join(after.of, request);
  expect(before.heard).toEqual(['sync tail', 'catch_up_complete', 'shut']);
  expect(after.heard).toEqual([
    'sync snapshot',
    'snapshot_begin',
    'snapshot_chunk',
    'snapshot_end',
    'catch_up_complete',
  ]);
});
