import { isObject, type OpName } from '@holdfast/protocol';

import { Problem } from '../errors.ts';
import { type Desk, type JsonAnswer, storePath } from './desk.ts';
import type { Field, Told } from './fields.ts';
import { listOfOps } from './ops.ts';
import { absent, fence, match, once, path, repeatable, store, type Tool, without } from './tool.ts';

const LIMIT_MAX = 1000;
const value: Field = { type: 'any', says: 'Any JSON value.' };
const object: Field = { type: 'any', schema: { type: 'object' }, says: 'An object.' };
const objects = { type: 'array', items: { type: 'object' } };
const token: Field = { type: 'integer', says: 'The token of the lease.' };
const ttl: Field = {
  type: 'any',
  schema: { type: 'integer' },
  says: 'How long it is held unless renewed, in milliseconds; 30000 if left out.',
  optional: true,
};

/** Does one op, by the route that takes all of them. */
async function write(op: OpName, told: Told, desk: Desk): Promise<JsonAnswer> {
  const asked = { ops: [{ op, ...without(told, 'store', 'op_id') }] };
  const route = `${storePath(told)}/transact`;
  try {
    const answer = await desk.ask('POST', route, { json: asked, headers: once(told) });
    const results: unknown = answer['results'];
    const result: unknown = Array.isArray(results) ? results[0] : null;
    return isObject(result) ? result : answer;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new Problem(error.status, error.code, withoutIndex(error.details));
  }
}

function withoutIndex(details: Told): Told {
  return without(details, 'op_index');
}

async function release(told: Told, desk: Desk): Promise<JsonAnswer> {
  try {
    return await write('release', told, desk);
  } catch (error) {
    // Whose lease is gone has nothing to release, which is no fault (stores.md §5.2).
    if (error instanceof Problem && error.code === 'not_held') return { released: false };
    throw error;
  }
}

/** Reading and writing of entries. */
export const entryTools: readonly Tool[] = [
  {
    name: 'holdfast_get',
    says: 'Reads the value, type and revision at a path: of one entry, or of all below it as one object.',
    reads: true,
    fields: { store, path },
    run: (told, desk) => desk.read(`${storePath(told)}/entry`, { path: told['path'] }),
  },
  {
    name: 'holdfast_put',
    says: 'Sets the value at a path and replaces all that was below it.',
    fields: {
      store,
      path,
      value,
      if_match: match,
      if_absent: absent,
      fence,
      ...repeatable,
    },
    run: (told, desk) =>
      desk.ask('POST', `${storePath(told)}/entries`, {
        json: without(told, 'store', 'op_id'),
        headers: once(told),
      }),
  },
  {
    name: 'holdfast_merge',
    says: 'Sets some members of the object at a path and leaves the others as they are.',
    fields: { store, path, value: object, fence, ...repeatable },
    run: (told, desk) => write('merge', told, desk),
  },
  {
    name: 'holdfast_delete',
    says: 'Deletes what is at a path, and all below it.',
    fields: { store, path, if_match: match, fence, ...repeatable },
    run: (told, desk) =>
      desk.ask('DELETE', `${storePath(told)}/entries`, {
        json: without(told, 'store', 'op_id'),
        headers: once(told),
      }),
  },
  {
    name: 'holdfast_entries',
    says: 'Lists the entries whose paths match a pattern, in the order of their paths, page by page. An object that was put at tasks/1 is an entry for each of its members: tasks/1/title, tasks/1/state.',
    reads: true,
    fields: {
      store,
      pattern: {
        type: 'text',
        says: 'tasks/** is all below tasks, tasks/*/state the state of each. * is one segment, so tasks/* lists nothing of objects.',
      },
      limit: {
        type: 'integer',
        says: '1 to 1000; 50 if left out.',
        optional: true,
        least: 1,
        most: LIMIT_MAX,
      },
      after: {
        type: 'text',
        says: 'The next_cursor of the page before.',
        optional: true,
      },
    },
    run: (told, desk) => desk.read(`${storePath(told)}/entries`, without(told, 'store')),
  },
  {
    name: 'holdfast_increment',
    says: 'Adds to the number at a path; increments of any number of writers all count.',
    fields: {
      store,
      path,
      delta: {
        type: 'any',
        schema: { type: 'number' },
        says: 'A number; 1 if left out.',
        optional: true,
      },
      fence,
      ...repeatable,
    },
    run: ({ delta = 1, ...told }, desk) => write('increment', { ...told, value: delta }, desk),
  },
  {
    name: 'holdfast_add',
    says: 'Adds a member to the set at a path.',
    fields: { store, path, member: value, fence, ...repeatable },
    run: ({ member, ...told }, desk) => write('add', { ...told, value: member }, desk),
  },
  {
    name: 'holdfast_remove',
    says: 'Removes a member from the set at a path.',
    fields: { store, path, member: value, fence, ...repeatable },
    run: ({ member, ...told }, desk) => write('remove', { ...told, value: member }, desk),
  },
  {
    name: 'holdfast_transact',
    says: 'Does several ops in one step, all or nothing, if all preconditions hold.',
    fields: {
      store,
      ops: {
        type: 'any',
        schema: objects,
        says: `A list of {op, path, value?, if_match?, if_absent?, fence?, token?, ttl_ms?, holder?}; op is ${listOfOps('or')}; value is what increment adds, too, and the member of add and remove. mutate is {op, path, record, name, value}: it runs the mutation name of a record on the object at path, value being its input.`,
      },
      preconditions: {
        type: 'any',
        schema: objects,
        says: 'A list of {path, if_match: revision}, {path, if_absent: true}, {path, exists: true}, {path, equals: value} and {fence: {key, token}}.',
        optional: true,
      },
      fence,
      ...repeatable,
    },
    run: (told, desk) =>
      desk.ask('POST', `${storePath(told)}/transact`, {
        json: without(told, 'store', 'op_id'),
        headers: once(told),
      }),
  },
  {
    name: 'holdfast_lease',
    says: 'Takes the lease at a path, which one holds at a time; says held where another holds it. Returns its token.',
    fields: {
      store,
      path,
      ttl_ms: ttl,
      holder: {
        type: 'any',
        schema: { type: 'string' },
        says: 'Who holds it, for others to see.',
        optional: true,
      },
      ...repeatable,
    },
    run: (told, desk) => write('lease', told, desk),
  },
  {
    name: 'holdfast_renew',
    says: 'Holds a lease for longer.',
    fields: { store, path, token, ttl_ms: ttl, ...repeatable },
    run: (told, desk) => write('renew', told, desk),
  },
  {
    name: 'holdfast_release',
    says: 'Gives a lease back.',
    fields: { store, path, token, ...repeatable },
    run: release,
  },
];
