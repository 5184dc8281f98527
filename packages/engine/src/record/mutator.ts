import {
  isObject,
  type RecordDef,
  type Refusal,
  refuse,
  refuseAs,
  RejectedError,
  type Mutate,
} from '@holdfast/protocol';
import type { Mutator } from '../data/index.ts';
import { guessed, writesTo } from './mutation.ts';

/** Runs the mutations of these records where requests are decided (records.md §11.2). */
export function mutatorOf(records: ReadonlyMap<string, RecordDef>): Mutator {
  return (tree, request, { opId, at }) => {
    const def = records.get(request.record);
    if (def === undefined || def.match(request.path) === null) return unknown(request);
    const current = tree.read(request.path)?.value;
    try {
      const { after } = guessed(def, current, { ...request, opId, now: at });
      const isMap = isObject(current) || current === undefined;
      return writesTo(request.path, isMap ? current : undefined, after);
    } catch (error) {
      // What has been made of the authority's fields before it is not all here: then it is for the authority to say no.
      return def.authority === null ? refusalOf(error) : [];
    }
  };
}

function unknown({ record, path }: Mutate): Refusal {
  return refuse('unknown_record', { record, path });
}

/** What was thrown, as a refusal. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof RejectedError) return refuseAs(error.code, error.details);
  return refuse('internal_error');
}
