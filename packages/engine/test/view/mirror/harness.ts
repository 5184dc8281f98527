import { Mirror, nodeKey } from '@holdfast/engine/mirror';
import type { Json, JsonObject } from '@holdfast/protocol';
import { expect } from 'vitest';
import { fresh } from './arbitrary.ts';

export const rootId = 'App:main';
export const root: string = nodeKey([]);

/** A mirror of a capver 4 server, joined. */
export function joined(capver = 4): Mirror {
  const mirror = new Mirror({ freeze: true });
  mirror.joined({ rootId, capver, resumed: false });
  return mirror;
}

export function envelope(from: number, to: number, rest: object = {}): object {
  return {
    type: 'patch',
    root_id: rootId,
    base_version: from,
    version: to,
    ops: [],
    stream_ops: [],
    upload_ops: [],
    events: [],
    ...rest,
  };
}

export function whole(value: Json, from = 0, to = 1): object {
  return envelope(from, to, { ops: [{ op: 'replace', path: '', value: fresh(value) }] });
}

/** A mirror that shows this. */
export function showing(tree: Json, capver = 4): Mirror {
  const mirror = joined(capver);
  expect(mirror.take(whole(tree))).toEqual([]);
  return mirror;
}

export const node = (id: readonly string[], members: object): JsonObject => ({
  __musubi_store_id__: id,
  ...members,
});
