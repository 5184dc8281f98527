import {
  collection,
  type CollectionDef,
  passthrough,
  record,
  type RecordDef,
  type StandardSchema,
} from '@holdfast/protocol';
import { type PathRule, scopes } from '@holdfast/server';

/** What the records of these worlds hold; of whom what is hidden, any of it may be missing. */
export type Card = {
  readonly n?: number;
  readonly tag?: string;
  /** Of a closed room only those see a card who may. */
  readonly room?: string;
  readonly owner?: string;
  /** Another with each write: it tells what was delivered. */
  readonly mark?: string;
  /** The same of what only some may see. */
  readonly note?: string;
  /** Some of them are long, so that slow readers fall behind. */
  readonly text?: string;
};

/** What somebody may read. */
export type Rights = {
  /** 0: no closed rooms; 1: all rooms; 2: and notes. */
  readonly level: number;
  /** Cards and fields that path rules let pass; null: there are no rules. */
  readonly ids: readonly string[] | null;
  readonly fields: readonly string[] | null;
};

/** Who looks, and with which rights. */
export type Eyes = { readonly subject: string; readonly rights: Rights };

export const storeName = 'acme/app';

/** Who may do everything but be exempt from rules. */
export const insider = {
  orgs: ['acme'],
  scopes: new Set(scopes.filter((scope) => scope !== 'admin')),
  storeAccess: { mode: 'all' },
  expiresAt: null,
  tokenId: null,
} as const;
export const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] as const;
export const tags = ['x', 'y', 'z', 'odd'] as const;
export const all: Rights = { level: 2, ids: null, fields: null };

/** The rights that those have whose rights change. */
export const changing: readonly Rights[] = [
  all,
  { level: 1, ids: null, fields: null },
  { level: 0, ids: null, fields: null },
  { level: 2, ids: ['a', 'b', 'c', 'd'], fields: null },
  { level: 1, ids: null, fields: ['n', 'mark', 'owner'] },
];

const at = { name: 'card', store: storeName, path: 'cards/:id' } as const;

/** The card as the server and most clients know it. */
export const Card = record({
  ...at,
  version: '1.0',
  schema: passthrough<Card>(),
  visibility: {
    note: ({ principal, value }) =>
      levelOf(principal) >= 2 || (value.owner !== undefined && value.owner === principal?.subject),
    '*': () => true,
  },
});

/** The card of a server that shows notes to all, which must be seen. */
export const Careless: typeof Card = record({
  ...at,
  version: '1.0',
  schema: passthrough<Card>(),
  visibility: { '*': () => true },
});

/** The card of a server that hides nothing from anybody, and has indexes: one is the order of a question, and one finds its rows. */
export const Plain: typeof Card = record({
  ...at,
  version: '1.0',
  schema: passthrough<Card>(),
  indexes: ['n', 'tag'],
});

/** As a client of the next major knows it, which cannot read all of them. */
export const Newer: RecordDef = record({
  ...at,
  version: '2.0',
  schema: {
    '~standard': {
      version: 1,
      vendor: 'simulation',
      validate: (value) =>
        tagOf(value) === 'odd' ? { issues: [{ message: 'odd' }] } : { value: value as Card },
    },
  } satisfies StandardSchema<Card, Card>,
  migrate: { '1': (older: Card) => newer(older) },
});

/** A card as {@link Newer} has it. */
export function newer(card: Card): Card {
  return { ...card, owner: (card.owner ?? '').toUpperCase() };
}

/** What the server lets read beyond the definition. */
export function mayRead(principal: unknown, card: Card): boolean {
  return card.room !== 'closed' || levelOf(principal) >= 1;
}

export function levelOf(principal: unknown): number {
  const { claims } = Object(principal) as { claims?: { level?: unknown } };
  return Number(claims?.level ?? 0);
}

function tagOf(value: unknown): unknown {
  return (Object(value) as Card).tag;
}

/** The path rules of somebody; null: none. */
export function pathRulesOf({ ids: some, fields }: Rights): readonly PathRule[] | null {
  if (some === null && fields === null) return null;
  const patterns = (some ?? ['*']).flatMap((id) =>
    fields === null ? [`cards/${id}/**`] : fields.map((field) => `cards/${id}/${field}`),
  );
  return ['own/**', ...patterns].map((pattern) => ({ pattern, allow: ['read'] as const }));
}

/** What somebody sees of a card; undefined: nothing. */
export function seen(id: string, card: Card, { subject, rights }: Eyes): Card | undefined {
  if (!mayRead({ claims: rights }, card) || rights.ids?.includes(id) === false) return undefined;
  const seesNote = rights.level >= 2 || card.owner === subject;
  const fields = Object.entries(card).filter(
    ([field]) => (field !== 'note' || seesNote) && rights.fields?.includes(field) !== false,
  );
  return fields.length === 0 ? undefined : Object.fromEntries(fields);
}

/** A question that collections ask, as a spec, and by the plainest of means. */
export type Question = {
  readonly name: string;
  readonly def: CollectionDef<typeof Card>;
  readonly matches: (card: Card) => boolean;
  readonly orderBy: readonly (readonly ['n' | 'tag', 1 | -1])[];
};

/** All of them. */
export const questions: readonly Question[] = [
  {
    name: 'big',
    def: collection(Card, { where: { n: { gte: 10 } }, orderBy: [['n', 'desc']], limit: 3 }),
    matches: ({ n }) => n !== undefined && n >= 10,
    orderBy: [['n', -1]],
  },
  {
    name: 'x',
    def: collection(Card, { where: { tag: 'x' }, orderBy: [['n', 'asc']], limit: 2 }),
    matches: ({ tag }) => tag === 'x',
    orderBy: [['n', 1]],
  },
  {
    name: 'all',
    def: collection(Card, { limit: 4 }),
    matches: () => true,
    orderBy: [],
  },
  {
    name: 'not y',
    def: collection(Card, {
      where: { $not: { tag: 'y' } },
      orderBy: [
        ['tag', 'asc'],
        ['n', 'desc'],
      ],
      limit: 3,
    }),
    matches: ({ tag }) => tag !== 'y',
    orderBy: [
      ['tag', 1],
      ['n', -1],
    ],
  },
];
