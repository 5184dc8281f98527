import { collection, type CollectionDef, record } from '@holdfast/protocol';
import { z } from 'zod';

// Pages have this module, too: zod tries otherwise whether it may make code of text, which their Content-Security-Policy tells of.
z.config({ jitless: true });

export const statuses = ['open', 'doing', 'done'] as const;
export const priorities = ['low', 'normal', 'high'] as const;

const Issue2 = z.object({
  title: z.string().trim().min(1).max(200),
  body: z.string().max(20_000),
  status: z.enum(statuses),
  priority: z.enum(priorities),
  author: z.string(),
  /** Epoch milliseconds. */
  createdAt: z.number().int(),
});

/** An issue, as pages show it. */
export type IssueShape = z.infer<typeof Issue2>;

const place = { name: 'issue', store: 'team/tracker', path: 'issues/:id' } as const;

/** An issue. Of version 1 it had `open` instead of `status`, and no priority. */
export const Issue = record({
  ...place,
  version: '2.0',
  schema: Issue2,
  migrate: {
    '1': ({ open, ...rest }: { open: boolean }) => ({
      ...rest,
      status: open ? 'open' : 'done',
      priority: 'normal',
    }),
  },
  // By which the server finds the pages of the list: of a status, and of all.
  indexes: [['status', 'createdAt'], 'createdAt'],
  // Who changes what somebody else has just changed is asked (records.md §11.4).
  conflict: 'detect',
});

const Issue1 = record({
  ...place,
  version: '1.0',
  schema: Issue2.omit({ status: true, priority: true })
    .extend({ open: z.boolean() })
    .transform(({ open, ...rest }) => ({
      ...rest,
      status: open ? ('open' as const) : ('done' as const),
      priority: 'normal' as const,
    })),
  // What is stored is what goes into the schema, and not what comes out.
  stored: 'input',
  conflict: 'detect',
});

/** A version of the application's data: what a page of it reads and writes. */
export type Version = {
  readonly number: 1 | 2;
  readonly issue: typeof Issue;
  readonly statuses: readonly IssueShape['status'][];
  readonly hasPriority: boolean;
  /** What is stored of an issue. */
  readonly stored: (issue: IssueShape) => IssueShape;
  /** What is stored of a part of one. */
  readonly change: (fields: Partial<IssueShape>) => Partial<IssueShape>;
  /** A page of the list: the issues of a status, the newest first; all of them, where none is given. */
  readonly list: (status: IssueShape['status'] | null) => CollectionDef<typeof Issue>;
};

const pageSize = 20;
const newestFirst = { orderBy: [['createdAt', 'desc']], limit: pageSize } as const;

const version2: Version = {
  number: 2,
  issue: Issue,
  statuses,
  hasPriority: true,
  stored: (issue) => issue,
  change: (fields) => fields,
  list: (status) =>
    collection(Issue, {
      orderBy: [...newestFirst.orderBy],
      limit: pageSize,
      ...(status !== null && { where: { status } }),
    }),
};

/** What version 1 has stored of an issue. */
function toOpen(issue: Partial<IssueShape>): object {
  const { title, body, author, createdAt, status } = issue;
  const fields = { title, body, author, createdAt, open: status && status !== 'done' };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/* oxlint-disable typescript/no-unsafe-type-assertion -- pages show both versions alike; how they are stored differs here only */
const version1: Version = {
  number: 1,
  issue: Issue1 as unknown as typeof Issue,
  statuses: ['open', 'done'],
  hasPriority: false,
  stored: (issue) => toOpen(issue) as IssueShape,
  change: (fields) => toOpen(fields),
  list: (status) =>
    collection(Issue1, {
      orderBy: [...newestFirst.orderBy],
      limit: pageSize,
      ...(status !== null && { where: { open: status === 'open' } }),
    }) as unknown as CollectionDef<typeof Issue>,
};
/* oxlint-enable typescript/no-unsafe-type-assertion */

/** The version of a number; the newest, where there is none of it. */
export function versionOf(number: unknown): Version {
  return String(number) === '1' ? version1 : version2;
}
