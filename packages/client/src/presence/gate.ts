import { type JsonObject, passSchema, type StandardSchema } from '@holdfast/protocol';
import { fromEnvelope, type Writable } from '../envelopes.ts';

type Passed<T> = { readonly value: T } | { readonly issue: string };

/** What a value becomes on the wire, and back (records.md §5). */
export type Gate<State> = {
  readonly out: (value: State) => Passed<Writable>;
  readonly in: (state: JsonObject) => Passed<State>;
};

/** What is JSON already passes as it is. */
export const plainGate: Gate<JsonObject> = {
  out: (value) => ({ value }),
  in: (value) => ({ value }),
};

/** What a schema lets pass. */
export function gateOf<State>(schema: StandardSchema<State>): Gate<State> {
  return {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is no JSON the server refuses
    out: (value) => passSchema(schema, value) as Passed<State & Writable>,
    in: (state) => {
      try {
        return passSchema(schema, fromEnvelope(state));
      } catch (error) {
        // What others show is theirs: an envelope may hold anything.
        return { issue: String(error) };
      }
    },
  };
}
