import type { PresenceDefinition } from '@holdfast/protocol';
import type { PresenceHandle } from './types.ts';

/** What `presences` of `@holdfast/client/presence` gives to `createClient`. */
export type PresencesPlug = {
  /** A handle on a topic of a client. */
  open<State>(
    client: object,
    definition: PresenceDefinition<State>,
    params: { readonly [name: string]: string },
  ): PresenceHandle<State>;
};
