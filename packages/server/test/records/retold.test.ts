import { passthrough, record } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import { principals } from '../conversation/principals.ts';
import { everything, topic, world, type World } from '../conversation/world.ts';
import { http, person, transact } from './site.ts';

type Note = {
  readonly text?: string;
  readonly private?: boolean;
  readonly owner?: string;
  readonly n?: number;
};

const Note = record({
  name: 'note',
  store: 'demo/main',
  path: 'notes/:id',
  version: '1.0',
  schema: passthrough<Note>(),
  visibility: {
    '*': ({ principal, value }) => value.private !== true || value.owner === principal.subject,
  },
});

const scopes = new Set(['entries:read', 'entries:write', 'audit:read', 'stores:read'] as const);

async function site() {
  const made = await world({
    authenticate: principals({
      dev: everything,
      ada: person('ada', { scopes }),
      eve: person('eve', { scopes }),
    }),
  });
  const notes = made.server.record(Note);
  return { made, notes };
}

const own = { text: 'secret', private: true, owner: 'ada' };

/** A private note that was deleted, and one that has been opened to all since. */
async function withPast() {
  const { made, notes } = await site();
  await notes.write({ id: 'a' }, { set: own });
  await notes.write({ id: 'a' }, { remove: true });
  await notes.write({ id: 'b' }, { set: own });
  await notes.write({ id: 'b' }, { patch: { text: 'for all', private: false } });
  return { made, notes };
}

/** The ops of a store's log as a token is told of them, oldest first. */
async function logOf(made: World, token: string, query = 'limit=1000'): Promise<readonly string[]> {
  const { json } = await http(made, 'GET', `log?${query}`, { token });
  const ops = json['ops'] as { op: string; path: string; value: unknown }[];
  return ops
    .toReversed()
    .filter(({ path }) => path.startsWith('notes'))
    .map(({ op, path, value }) => `${op} ${path} ${JSON.stringify(value)}`);
}

/** What a stream of the store tells a token of what came after a seq, up to a path. */
async function streamed(made: World, token: string, last: string): Promise<string> {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const { body } = await fetch(`${made.url}/api/stores/demo/main/watch?since=0`, {
    headers: { authorization: `Bearer ${token}` },
    signal: abort.signal,
  });
  let text = '';
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  while (!text.includes(`"path":"${last}"`)) {
    // oxlint-disable-next-line no-await-in-loop -- as it comes
    const part = await reader?.read();
    if (part === undefined || part.done) break;
    text += part.value;
  }
  return text;
}

test('R228 the log tells of each commit what was visible when it was made', async () => {
  const { made } = await withPast();
  expect(JSON.stringify(await logOf(made, 'dev'))).toContain('secret');
  expect(await logOf(made, 'ada')).toEqual(await logOf(made, 'dev'));
  const toEve = await logOf(made, 'eve');
  expect(toEve).toHaveLength(1);
  expect(toEve[0]).toContain('for all');
  expect(await logOf(made, 'eve', 'before_seq=5')).toEqual([]);
  const { json } = await http(made, 'GET', 'log', { token: 'eve' });
  expect(json['pagination']).toMatchObject({ total: 2 });
});

test('R228 what became private is left out of the log, as it is of the past', async () => {
  const { made, notes } = await site();
  await notes.write({ id: 'a' }, { set: { ...own, private: false } });
  expect(await logOf(made, 'eve')).toHaveLength(1);
  await notes.write({ id: 'a' }, { patch: { private: true } });
  expect(await logOf(made, 'eve')).toEqual([]);
});

test('R228 many commits of many windows are told as they were, and a large one as a whole', async () => {
  const { made, notes } = await site();
  const dev = await made.joined();
  const fill = (from: number) =>
    transact(
      dev,
      Array.from({ length: 900 }, (_, at) => ({ op: 'set', path: `x/${from + at}`, value: at })),
    );
  await notes.write({ id: 'a' }, { set: own });
  await fill(0);
  await notes.write({ id: 'a' }, { patch: { private: false, text: 'for all' } });
  await fill(900);
  await notes.write({ id: 'a' }, { patch: { private: true, text: 'secret again' } });
  await fill(1800);
  await notes.write({ id: 'a' }, { patch: { private: false, text: 'open' } });
  const pages: string[] = [];
  for (let before = 10_000; before > 1;) {
    // oxlint-disable-next-line no-await-in-loop -- page by page
    const { json } = await http(made, 'GET', `log?before_seq=${before}&limit=400`, {
      token: 'eve',
    });
    const ops = json['ops'] as { store_seq: number; path: string; value: unknown }[];
    pages.push(...ops.map(({ path, value }) => `${path} ${JSON.stringify(value)}`));
    before = ops.at(-1)?.store_seq ?? 0;
  }
  expect(pages.filter((each) => each.startsWith('x/'))).toHaveLength(2700);
  const ofNotes = pages.filter((each) => each.startsWith('notes'));
  expect(JSON.stringify(ofNotes)).not.toContain('secret');
  expect(JSON.stringify(ofNotes)).toContain('for all');
  expect(JSON.stringify(ofNotes)).toContain('open');
});

test('R228 a diff shows at both ends what was visible there', async () => {
  const { made } = await withPast();
  const diff = async (token: string, query: string): Promise<string> =>
    JSON.stringify((await http(made, 'GET', `diff?${query}`, { token })).json);
  // Seq 1 is the version of the record.
  expect(await diff('eve', 'from_seq=0&to_seq=2')).not.toContain('notes/');
  expect(await diff('ada', 'from_seq=0&to_seq=2')).toContain('secret');
  expect(await diff('eve', 'from_seq=2&to_seq=3')).not.toContain('notes/');
  const opened = await diff('eve', 'from_seq=4&to_seq=5');
  expect(opened).not.toContain('secret');
  expect(opened).toContain('"after":"for all"');
  expect(opened).toContain('"path":"notes/b/owner","before":null,"after":"ada"');
});

test('R228 status names no op of what was hidden', async () => {
  const { made } = await withPast();
  const eve = await made.joined({ token: 'eve' });
  const { response } = await eve.ask(topic, 'status', {});
  expect(response['op_count']).toBe(2);
  expect(JSON.stringify(response['recent_ops'])).not.toContain('notes/a');
  const { json } = await http(made, 'GET', '../main', { token: 'eve' });
  expect(json).toMatchObject({ op_count: 2 });
});

test('R228 who resumes by tail is told of each commit what was visible when it was made, on both dialects', async () => {
  const { made } = await withPast();
  const cut = await made.joined({ token: 'eve' });
  const [, , , , reply] = cut.heard[0] ?? [];
  const { incarnation, scope } = (reply as { response: Record<string, unknown> }).response;
  cut.cut();
  for (const capver of ['4', '3']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const eve = await made.joined(
      { token: 'eve', device: `d${capver}`, capver },
      capver === '3' ? { last_store_seq: 1 } : { last_store_seq: 1, incarnation, scope },
    );
    const text = JSON.stringify(eve.heard);
    expect(text).toContain('for all');
    expect(text).not.toContain('secret');
    expect(text).not.toContain('notes/a');
  }
});

test('R228 a stream that goes on from a seq tells of each commit what was visible when it was made', async () => {
  const { made, notes } = await withPast();
  await notes.write({ id: 'end' }, { set: { text: 'end' } });
  expect(await streamed(made, 'dev', 'notes/end')).toContain('secret');
  const toEve = await streamed(made, 'eve', 'notes/end');
  expect(toEve).toContain('for all');
  expect(toEve).not.toMatch(/secret|notes\/a/);
});

/** Reads what eve is streamed, up to a word. */
async function following(made: World, query: string): Promise<(word: string) => Promise<string>> {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const { body } = await fetch(`${made.url}/api/stores/demo/main/watch?${query}`, {
    headers: { authorization: 'Bearer eve' },
    signal: abort.signal,
  });
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  return async (word) => {
    while (!text.includes(word)) {
      // oxlint-disable-next-line no-await-in-loop -- as it comes
      const part = await reader?.read();
      if (part === undefined || part.done) throw new Error('the stream has ended');
      text += part.value;
    }
    const told = text;
    text = '';
    return told;
  };
}

/** A site with a note of which rules show a part, and another one when `set` says so. */
async function turning() {
  const clock = new VirtualClock();
  const made = await world({
    clock,
    storage: memory({ now: clock.wall }),
    authenticate: principals({ eve: person('eve', { scopes }) }),
  });
  let isOpen = false;
  const { name, store, path, version } = Note;
  const rule = record({
    name,
    store,
    path,
    version,
    schema: passthrough<Note>(),
    visibility: { n: () => true, text: () => isOpen },
  });
  const notes = made.server.record(rule);
  await notes.write({ id: 'a' }, { set: { n: 1, text: 'secret' } });
  const set = (open: boolean): void => {
    isOpen = open;
  };
  return { made, clock, notes, set };
}

test('R226 a stream begins anew within 5 s when rules show another part, though nothing was committed', async () => {
  const { made, clock, set } = await turning();
  const until = await following(made, 'include_current=true');
  const ready = 'event: ready';
  expect(await until(ready)).not.toContain('secret');
  set(true);
  await clock.pass(5000);
  const shown = await until(ready);
  expect(shown).toContain('event: reset\ndata: {"why":"scope"');
  expect(shown).toContain('event: present\ndata: {"path":"notes/a/text","value":"secret"');
  set(false);
  await clock.pass(5000);
  const gone = await until(ready);
  expect(gone).toContain('"path":"notes/a/n"');
  expect(gone).not.toContain('secret');
  await clock.pass(60_000);
  expect(await until(': ping')).not.toContain('reset');
});

test('R226 what rules show otherwise since a stream ended, though nothing was committed, is told to who comes back', async () => {
  const { made, notes, set } = await turning();
  const until = await following(made, 'since=0');
  const id = /id: (2~[\w-]+)\n/.exec(await until('"path":"notes/a"'))?.[1] ?? '';
  set(true);
  await notes.write({ id: 'b' }, { set: { n: 2 } });
  const again = await following(made, `since=${id}`);
  const told = await again('"value":"secret"');
  const [log = '', state = ''] = told.split('event: reset\ndata: {"why":"scope","seq":3}');
  expect(log).toContain('"path":"notes/b"');
  expect(log).not.toContain('secret');
  expect(state).toContain('"path":"notes/a/text"');
});

test('R226 a stream begins anew when something turns visible, or is hidden from now on', async () => {
  const { made, notes } = await site();
  await notes.write({ id: 'a' }, { set: own });
  const until = await following(made, 'since=2');
  await until('"through_seq":2');
  await notes.write({ id: 'a' }, { patch: { private: false } });
  const shown = await until('"through_seq":3');
  expect(shown).toContain('event: reset\ndata: {"why":"scope","seq":3}');
  expect(shown).toContain('event: present\ndata: {"path":"notes/a/text","value":"secret"');
  await notes.write({ id: 'a' }, { patch: { private: true, text: 'hidden again' } });
  const gone = await until('"through_seq":4');
  expect(gone).toContain('"why":"scope"');
  expect(gone).not.toMatch(/notes\/a|hidden again/);
});

test('R228 commits that are stored together are told apart', async () => {
  const { made } = await site();
  const eve = await made.joined({ token: 'eve' });
  const dev = await made.joined({ device: 'd2' });
  // All of them in one turn of the server.
  const tries = [
    { op: 'set', path: 'notes/a', value: own },
    { op: 'delete', path: 'notes/a' },
    { op: 'set', path: 'notes/b', value: own },
    { op: 'merge', path: 'notes/b', value: { text: 'for all', private: false } },
    { op: 'set', path: 'end', value: 1 },
  ].map((each, at) => dev.push(topic, 'write', { client_op_id: `together${at}`, ...each }));
  for (const each of tries) {
    // oxlint-disable-next-line no-await-in-loop -- answers come in order
    expect(await dev.reply(each)).toMatchObject({ status: 'ok' });
  }
  await eve.ask(topic, 'scope', {});
  const text = JSON.stringify(eve.heard);
  expect(text).toContain('for all');
  expect(text).not.toMatch(/secret|notes\/a/);
});

test('R228 what a transaction overwrites itself is not shown of it', async () => {
  const { made } = await site();
  const eve = await made.joined({ token: 'eve' });
  const dev = await made.joined({ device: 'd2' });
  await transact(dev, [
    { op: 'set', path: 'notes/a', value: own },
    { op: 'set', path: 'notes/a', value: { text: 'for all', n: 1 } },
    { op: 'increment', path: 'notes/a/n', value: 1 },
    { op: 'set', path: 'x', value: 1 },
    { op: 'delete', path: 'x' },
  ]);
  await transact(dev, [
    { op: 'set', path: 'notes/b', value: own },
    { op: 'delete', path: 'notes/b' },
  ]);
  await eve.ask(topic, 'scope', {});
  for (const told of [JSON.stringify(eve.heard), JSON.stringify(await logOf(made, 'eve'))]) {
    expect(told).toContain('for all');
    expect(told).not.toMatch(/secret|notes\/b/);
  }
  expect(await logOf(made, 'eve')).toContain('increment notes/a/n 2');
});

test('R227 nobody brings back what was hidden from them, nor is told whether it was the same', async () => {
  const { made, notes } = await site();
  await notes.write({ id: 'a' }, { set: own });
  await notes.write({ id: 'a' }, { patch: { text: 'for all', private: false } });
  const eve = await made.joined({ token: 'eve' });
  const back = async (path: string): Promise<unknown> => {
    const { json } = await http(made, 'POST', 'rollback', {
      token: 'eve',
      body: { path, to_seq: 2 },
    });
    expect((await eve.ask(topic, 'rollback', { path, to_seq: 2 })).status).toBe('error');
    return json['reason'];
  };
  expect(await back('notes/a/text')).toBe('path_not_allowed');
  expect(await back('notes/a/owner')).toBe('path_not_allowed');
  expect(await back('notes/a')).toBe('path_not_allowed');
  expect(await back('notes')).toBe('path_not_allowed');
  const { json } = await http(made, 'GET', 'entries/notes/a');
  expect(json['value']).toMatchObject({ text: 'for all' });
});

test('R219 no snapshot is gone on with by somebody of whom rules hide something: they may say otherwise by now', async () => {
  const closed = new Set<string>();
  const made = await world({
    authenticate: principals({ dev: everything, eve: person('eve') }),
  });
  const notes = made.server.record(Note, { read: (_ctx, { params }) => !closed.has(params.id) });
  await notes.write({ id: 'a' }, { set: { text: 'closed later' } });
  await notes.write({ id: 'b' }, { set: { text: 'for all' } });
  const first = await made.connect({ token: 'eve' });
  const { response } = await first.join(topic);
  const [, , , , begun] = await first.until(([, , , event]) => event === 'snapshot_begin');
  const { id } = begun as { id: string };
  await first.caughtUp();
  closed.add('a');
  const again = await made.connect({ token: 'eve' });
  const { incarnation, scope } = response;
  await again.join(topic, { last_store_seq: 0, incarnation, scope, snapshot: { id, next: 0 } });
  await again.caughtUp();
  const text = JSON.stringify(again.heard);
  expect(text).toContain('for all');
  expect(text).not.toMatch(/closed later|notes\/a/);
});
