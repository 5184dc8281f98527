import { record, type StandardSchema } from '@holdfast/protocol';

/** What the records of these worlds are at first, and since the deploy. */
export type Task = { readonly n: number; readonly title: string };
export type LaterTask = { readonly count: number; readonly title: string; readonly done: boolean };

export const ids = ['a', 'b', 'c', 'd'] as const;

const at = { name: 'task', store: 'acme/app', path: 'tasks/:id' } as const;

/** Whether a value is an object of exactly these members. */
function hasMembers(value: unknown, members: Readonly<Record<string, string>>): boolean {
  const found = Object.entries(Object(value) as object);
  const areKnown = found.every(([name, member]) => members[name] === typeof member);
  return areKnown && found.length === Object.keys(members).length;
}

export function isTask(value: unknown): value is Task {
  return hasMembers(value, { n: 'number', title: 'string' });
}

export function isLaterTask(value: unknown): value is LaterTask {
  return hasMembers(value, { count: 'number', title: 'string', done: 'boolean' });
}

function schemaOf<Value>(is: (value: unknown) => value is Value): StandardSchema<Value, Value> {
  return {
    '~standard': {
      version: 1,
      vendor: 'simulation',
      validate: (value) => (is(value) ? { value } : { issues: [{ message: 'no task' }] }),
    },
  };
}

export const First = record({ ...at, version: '1.0', schema: schemaOf(isTask) });

/** The next major: a field has another name, and there is one more. */
export const Later = record({
  ...at,
  version: '2.0',
  schema: schemaOf(isLaterTask),
  migrate: {
    '1': ({ n, ...rest }: Partial<Task>) => ({
      ...(n !== undefined && { count: n }),
      ...rest,
      done: false,
    }),
  },
});
