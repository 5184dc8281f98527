import { passthrough, record, type RecordContext, type RecordDef } from '@holdfast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Peer } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { everything, topic, world } from '../conversation/world.ts';
import { PartReplica } from '../scopes/part.ts';
import { http, person } from './site.ts';

type Note = { [field: string]: unknown };

type Sees = (note: Note, field: string) => boolean;

const spec = {
  name: 'note',
  store: 'demo/main',
  path: 'notes/:id',
  version: '1.0',
  schema: passthrough<Note>(),
} as const;

const rules: readonly [
  string,
  { def: RecordDef; read?: (ctx: RecordContext, ref: unknown, note: Note) => boolean; sees: Sees },
][] = [
  [
    'rules for fields',
    {
      def: record({
        ...spec,
        visibility: {
          extra: ({ value }) => value['shows'] === true && value['private'] !== true,
          '*': ({ value }) => value['private'] !== true,
        },
      }),
      sees: (note, field) =>
        note['private'] !== true && (field !== 'extra' || note['shows'] === true),
    },
  ],
  [
    'a rule for the object',
    {
      def: record(spec),
      read: (_ctx, _ref, note) => note['private'] !== true,
      sees: (note) => note['private'] !== true,
    },
  ],
  [
    'a rule that lets nothing pass where nothing is',
    {
      def: record(spec),
      read: (_ctx, _ref, note) => note['shows'] === true,
      sees: (note) => note['shows'] === true,
    },
  ],
];

const flag = fc.boolean();
const shape = fc.record({ private: flag, shows: flag, extra: flag }, { requiredKeys: [] });
const step = fc.oneof(
  fc.record({ op: fc.constantFrom('set', 'merge'), field: fc.constant(''), shape }),
  fc.record({ op: fc.constant('delete'), field: fc.constantFrom('', 'text', 'extra', 'private') }),
  fc.record({ op: fc.constant('set'), field: fc.constantFrom('private', 'shows'), to: flag }),
  fc.record({ op: fc.constant('set'), field: fc.constantFrom('text', 'extra') }),
);
type Step = { op: string; field: string; shape?: Note; to?: boolean };
const commits = fc.array(
  fc.record({
    id: fc.constantFrom('a', 'b'),
    steps: fc.array(step, { minLength: 1, maxLength: 3 }),
    waits: flag,
  }),
  { minLength: 1, maxLength: 15 },
);

let secrets = 0;

/** A value of its own for everything that may be hidden. */
function secret(): string {
  secrets += 1;
  return `secret-${secrets}-`;
}

function opOf(id: string, { op, field, shape: fields, to }: Step): object {
  const path = field === '' ? `notes/${id}` : `notes/${id}/${field}`;
  if (op === 'delete') return { op, path };
  if (fields === undefined) return { op, path, value: to ?? secret() };
  const { extra, ...flags } = fields;
  const value = { text: secret(), ...flags, ...(extra === true && { extra: secret() }) };
  return { op, path, value };
}

/** What may be seen of a state, by path. */
function visible(notes: Note, sees: Sees): { [path: string]: unknown } {
  const leaves: { [path: string]: unknown } = {};
  for (const [id, note] of Object.entries(notes)) {
    for (const [field, value] of Object.entries(note as Note)) {
      if (sees(note as Note, field)) leaves[`notes/${id}/${field}`] = value;
    }
  }
  return leaves;
}

function secretsIn(told: unknown): readonly string[] {
  return JSON.stringify(told).match(/secret-\d+-/g) ?? [];
}

function held(peer: Peer): { [path: string]: unknown } {
  const replica = new PartReplica();
  replica.take(peer);
  return notesOf(replica);
}

function notesOf({ values }: PartReplica): { [path: string]: unknown } {
  return Object.fromEntries(Object.entries(values).filter(([path]) => path.startsWith('notes')));
}

test.each(rules)(
  'R228 with %s, by random commits, live, by tail and by snapshot a viewer ends with what it may see, and never hears of what was hidden at the time',
  async (_, { def, read, sees }) => {
    await fc.assert(
      fc.asyncProperty(commits, fc.nat(14), async (all, half) => {
        const scopes = new Set(['entries:read', 'entries:write', 'audit:read'] as const);
        const at = await world({
          authenticate: principals({ dev: everything, eve: person('eve', { scopes }) }),
        });
        at.server.record(def, read && { read });
        const writer = await at.joined({ device: 'w' });
        const live = await at.joined({ token: 'eve', device: 'live' });
        const late = await at.joined({ token: 'eve', device: 'late' });
        const replica = new PartReplica();
        const shown = new Set<string>();
        const refs: string[] = [];
        const look = async (): Promise<Note> => {
          const { json } = await http(at, 'GET', 'entries/notes');
          return (json['value'] ?? {}) as Note;
        };
        for (const [i, { id, steps, waits }] of all.entries()) {
          const ops = steps.map((each) => opOf(id, each));
          const ref = writer.push(topic, 'transact', { client_op_id: `t${i}`, ops });
          refs.push(ref);
          // Only who waits knows each state; the others are stored together.
          if (waits || i === half) {
            // oxlint-disable-next-line no-await-in-loop -- one after the other
            expect(await writer.reply(ref)).toMatchObject({ status: 'ok' });
          }
          if (i === half) late.cut();
        }
        await writer.ask(topic, 'write', { op: 'set', path: 'end', value: 1, client_op_id: 'end' });
        // Every state that there was.
        const head = Number((await writer.ask(topic, 'status', {})).response['current_seq']);
        const { json } = await http(at, 'GET', 'log?limit=1000');
        const seqs = (json['ops'] as { tx: number | null; store_seq: number }[]).map(
          ({ tx, store_seq }) => tx ?? store_seq,
        );
        for (const seq of new Set(seqs)) {
          // oxlint-disable-next-line no-await-in-loop -- one after the other
          const past = await http(at, 'GET', `entries/notes?at_seq=${seq}`);
          const seen = visible((past.json['value'] ?? {}) as Note, sees);
          for (const each of secretsIn(seen)) shown.add(each);
        }
        replica.take(late);
        const tail = await at.connect({ token: 'eve', device: 'late' });
        await tail.join(topic, replica.join());
        await tail.caughtUp();
        await tail.ask(topic, 'scope', {});
        replica.follow();
        replica.take(tail);
        const fresh = await at.joined({ token: 'eve', device: 'fresh' });
        await live.ask(topic, 'scope', {});
        const expected = visible(await look(), sees);
        expect([head > 0, notesOf(replica)]).toEqual([true, expected]);
        expect(held(live)).toEqual(expected);
        expect(held(fresh)).toEqual(expected);
        const log = await http(at, 'GET', 'log?limit=1000', { token: 'eve' });
        const diff = await http(at, 'GET', 'diff?from_seq=0', { token: 'eve' });
        for (const told of [live.heard, late.heard, tail.heard, fresh.heard, log.json, diff.json]) {
          expect(secretsIn(told).filter((each) => !shown.has(each))).toEqual([]);
        }
      }),
      { numRuns: Number(process.env['HOLDFAST_RUNS'] ?? 5) },
    );
  },
  120_000,
);
