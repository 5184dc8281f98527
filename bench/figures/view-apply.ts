import { Mirror } from '@holdfast/engine/mirror';
import type { Figure } from '../figure.ts';
import { timed } from './timed.ts';
import { boardTree } from './view-tree.ts';

const text = JSON.stringify({
  type: 'patch',
  root_id: 'Board:main',
  base_version: 0,
  version: 1,
  ops: [{ op: 'replace', path: '', value: boardTree() }],
  stream_ops: [],
  upload_ops: [],
  events: [],
});

/** What the first envelope of a board of 5,000 values costs a client once it is parsed: applied, and shown. */
export const viewApply: Figure = {
  id: 'view-apply',
  unit: 'ms',
  against: 'JSON.parse of the envelope',
  goal: { ratio: 2, at: 'most' },
  measure: async (quick) => {
    const parse = 1000 / timed(() => JSON.parse(text), quick);
    const both = 1000 / timed(() => shown(JSON.parse(text)), quick);
    return { ours: both - parse, limit: parse };
  },
};

function shown(envelope: unknown): unknown {
  const mirror = new Mirror({ freeze: false });
  mirror.joined({ rootId: 'Board:main', capver: 4, resumed: false });
  mirror.take(envelope);
  return mirror.snapshot('[]');
}
