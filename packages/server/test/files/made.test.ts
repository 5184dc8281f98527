import { passthrough, record, RejectedError } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { person } from '../records/site.ts';
import { ask, write } from '../conversation/talk.ts';
import { everything, topic } from '../conversation/world.ts';
import { hashOf, type Site, site, told } from './site.ts';

const text = 'Of another org.';
const own = 'Brought here.';

/** What a client says of a file, and what code makes of it. */
const sent = (content: string) => ({ hash: hashOf(content), size: content.length });
type Sent = ReturnType<typeof sent>;
const made = ({ hash, size }: Sent) => ({
  _type: 'file',
  hash,
  size,
  content_type: 'text/plain',
  filename: null,
  uploaded_at: '2026-01-01T00:00:00Z',
});

type Card = { [field: string]: unknown };
const card = (current: unknown): Card => ({ ...(current as Card | undefined) });
const attach = {
  apply: (current: unknown, input: unknown) => ({ ...card(current), file: made(input as Sent) }),
};
const Cards = record({
  name: 'card',
  store: 'demo/main',
  path: 'cards/:id',
  version: '1.0',
  schema: passthrough<Card>(),
  authority: { title: 'lww', file: 'lww', moved: 'lww', deep: 'lww', list: 'lww', cover: cover },
  mutations: {
    attach,
    nest: {
      apply: (current, input) => ({ ...card(current), deep: { a: { b: made(input as Sent) } } }),
    },
    list: { apply: (current, input) => ({ ...card(current), list: [made(input as Sent)] }) },
    open: {
      apply: (current) => ({ file: made(JSON.parse(String(card(current)['title'])) as Sent) }),
    },
    move: {
      apply: (current) => {
        const { file, ...rest } = card(current);
        return { ...rest, moved: file };
      },
    },
  },
});

/** Merges what is sent by making a file of it. */
function cover(mine: unknown, theirs: unknown): unknown {
  return typeof mine === 'string' ? made(JSON.parse(mine) as Sent) : theirs;
}

type Place = Site & { readonly cards: ReturnType<Site['server']['record']> };
type Outcome = string | null;

/** A store with one card, beside one of another org that holds a file. */
async function place(): Promise<Place> {
  const tokens = {
    eve: person('eve', { scopes: new Set(['entries:read', 'entries:write', 'files:write']) }),
    plain: person('plain'),
    ann: { orgs: ['other'] },
  };
  const at = await site({}, tokens);
  const cards = at.server.record(Cards, { mutations: { own: attach } });
  await at.server.stores.create('other/main');
  const path = '/api/stores/other/main/files/secret';
  await at.call(path, { token: 'ann', method: 'PUT', body: text });
  await at.call('uploaded', { method: 'PUT', body: own });
  await cards.write({ id: '1' }, { set: { title: 'a', cover: 'theirs' } });
  return { ...at, cards };
}

const mutation = (name: string, value: unknown): object => ({
  op: 'mutate',
  path: 'cards/1',
  record: 'card',
  name,
  value,
});

async function pushed(at: Place, op: object, token = 'eve'): Promise<Outcome> {
  const peer = await at.joined({ token, device: token });
  const { op: name, path, ...more } = op as { op: string; path: string };
  return (await write(peer, name, path, more)).response['reason']?.toString() ?? null;
}

async function rejection(writing: Promise<unknown>): Promise<Outcome> {
  try {
    await writing;
    return null;
  } catch (error) {
    if (!(error instanceof RejectedError)) throw error;
    return error.code;
  }
}

const ctx = { principal: { ...everything, subject: 'eve', orgs: ['demo'] }, now: 0 };

const doors: readonly [string, (at: Place, file: Sent) => Promise<Outcome>][] = [
  ['a mutation by a socket', (at, file) => pushed(at, mutation('attach', file))],
  ['a mutation that only the server has', (at, file) => pushed(at, mutation('own', file))],
  ['a mutation that puts it into maps', (at, file) => pushed(at, mutation('nest', file))],
  [
    'the merge of a field',
    (at, file) => {
      const set = { cover: JSON.stringify(file) };
      return pushed(at, mutation('holdfast:merge', { set, base: { cover: 'mine' } }));
    },
  ],
  [
    'a transaction over a socket',
    async (at, file) => {
      const peer = await at.joined({ token: 'eve' });
      const first = { op: 'set', path: 'x', value: 1 };
      const ops = [first, mutation('attach', file)];
      const { response } = await peer.ask(topic, 'transact', { ...ask('', ''), ops });
      if (response['reason'] !== undefined) expect(response['op_index']).toBe(1);
      return response['reason']?.toString() ?? null;
    },
  ],
  [
    'a transaction over HTTP',
    async (at, file) => {
      const answer = await at.call('/api/stores/demo/main/transact', {
        token: 'eve',
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ops: [mutation('attach', file)] }),
      });
      const [, said] = await told(answer);
      return said['error']?.toString() ?? null;
    },
  ],
  [
    'a mutation by code of the server for somebody',
    ({ cards }, file) =>
      rejection(cards.write({ id: '1' }, { mutate: 'attach', input: file }, { ctx })),
  ],
  [
    'a mutation by code of the server',
    ({ cards }, file) => rejection(cards.write({ id: '1' }, { mutate: 'attach', input: file })),
  ],
  [
    'a function by code of the server',
    ({ cards }, file) =>
      rejection(cards.write({ id: '1' }, (now) => ({ ...card(now), file: made(file) }))),
  ],
  [
    'a transaction by code of the server',
    ({ server }, file) =>
      rejection(
        server.transact(
          'demo/main',
          (tx) => tx.record(Cards.ref({ id: '1' })).patch({ file: made(file) }),
          { ctx },
        ),
      ),
  ],
];

describe('files that code makes of what a client has sent', () => {
  test.each(doors)(
    'S98 %s names what this store holds, and nothing that only another org does (P64)',
    async (_, through) => {
      const at = await place();
      expect(await through(at, sent(text))).toBe('unknown_file');
      expect(await through(at, sent('Of nobody.'))).toBe('unknown_file');
      expect(await through(at, { ...sent(own), size: 1 })).toBe('unknown_file');
      const { value } = await at.cards.get({ id: '1' });
      expect(value).toEqual({ title: 'a', cover: 'theirs' });
      expect(await through(at, sent(own))).toBe(null);
      const answers = ['file', 'deep/a/b', 'cover'].map((field) => at.call(`cards/1/${field}`));
      const found = (await Promise.all(answers)).filter(({ status }) => status === 200);
      expect(await Promise.all(found.map((answer) => answer.text()))).toEqual([own]);
    },
  );

  test('S98 who may write no files has none made by a mutation, and moves those that are there (P64)', async () => {
    const at = await place();
    expect(await pushed(at, mutation('attach', sent(own)), 'plain')).toBe('unknown_file');
    expect(await pushed(at, mutation('attach', sent(own)))).toBe(null);
    expect(await pushed(at, mutation('move', null), 'plain')).toBe(null);
    expect(await (await at.call('cards/1/moved')).text()).toBe(own);
  });

  test('S98 a list holds no files, whoever makes it', async () => {
    const at = await place();
    expect(await pushed(at, mutation('list', sent(own)))).toBe('reserved_type');
    expect(await pushed(at, { op: 'add', path: 'set', value: made(sent(own)) })).toBe(
      'reserved_type',
    );
  });

  test('S98 the refusal of a file that a mutation makes tells its hash only to who has named it', async () => {
    const at = await place();
    const peer = await at.joined({ token: 'eve' });
    const answerTo = async (op: object): Promise<unknown> =>
      (await peer.ask(topic, 'write', { ...ask('mutate', 'cards/1'), ...op })).response;
    const unknown = { reason: 'unknown_file' };
    expect(await answerTo(mutation('attach', sent(text)))).toEqual({
      ...unknown,
      hash: hashOf(text),
    });
    await at.cards.write({ id: '2' }, { set: { title: JSON.stringify(sent(text)) } });
    expect(await answerTo({ ...mutation('open', null), path: 'cards/2' })).toEqual(unknown);
  });
});
