import { Evaluation, type Row } from '@holdfast/engine/collection';
import { asPath, passthrough, readQuery, record } from '@holdfast/protocol';
import type { Figure } from '../figure.ts';

const ROWS = 10_000;
const UPDATES = 1000;

const Task = record({
  name: 'task',
  store: 'bench/main',
  path: 'tasks/:id',
  version: '1',
  schema: passthrough<{ readonly title: string; readonly done: boolean; readonly rank: number }>(),
});

/** CPU time of the updates of a second in a collection of 10,000 rows: kept up to date, against evaluated from scratch. */
export const collection: Figure = {
  id: 'collection',
  unit: 'updates/s CPU',
  against: 'the same window, evaluated from scratch after each update',
  goal: { ratio: 50, at: 'least' },
  measure: async (quick) => {
    const kept = rows();
    const live = evaluationOf(kept);
    // From scratch is so slow that a part of the updates must do.
    const few = quick ? 5 : 50;
    const ours = perSecond(UPDATES, (at) => {
      const row = changed(kept, at);
      live.change([row]);
      return live;
    });
    const others = rows();
    const limit = perSecond(few, (at) => {
      changed(others, at);
      return evaluationOf(others);
    });
    return { ours, limit };
  },
};

function rows(): Row[] {
  return Array.from({ length: ROWS }, (_, id) => ({
    path: asPath(`tasks/${id}`),
    value: valueOf(id, id),
  }));
}

function valueOf(id: number, salt: number): { [field: string]: string | boolean | number } {
  return { title: `task ${id}`, done: salt % 3 === 0, rank: (salt * 7919) % 5000 };
}

/** Every tenth update is within the window of a hundred. */
function changed(all: Row[], at: number): Row {
  const id = (at * 7907) % ROWS;
  const salt = at % 10 === 0 ? at % 97 : id + at;
  const row = { path: asPath(`tasks/${id}`), value: valueOf(id, salt) };
  all[id] = row;
  return row;
}

function evaluationOf(all: readonly Row[]): Evaluation {
  const query = readQuery(Task, { where: { done: false }, orderBy: 'rank' });
  return new Evaluation(Task.name, query, all);
}

/** How often something could be done in a second of CPU time; what it gives is looked at, as who subscribes would. */
function perSecond(count: number, update: (at: number) => Evaluation): number {
  for (let at = 0; at < Math.min(count, 20); at += 1) look(update(at));
  const before = process.cpuUsage();
  for (let at = 0; at < count; at += 1) look(update(at));
  const { user, system } = process.cpuUsage(before);
  return count / ((user + system) / 1_000_000);
}

function look({ window }: Evaluation): void {
  if (window.rows.length !== 100) throw new Error('the window is full');
}
