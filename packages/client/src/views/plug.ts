import type { ViewHandle, ViewOptions } from './types.ts';

/** The views of a client. */
export interface ViewsDesk {
  view(module: string, options?: ViewOptions): ViewHandle;
  describe(): readonly object[];
  /** Leaves them all: the client is about to close. */
  close(): void;
}

/** What `views` of `@holdfast/client/views` gives to `createClient`. */
export type ViewsPlug = {
  /** Begins with a client. */
  open(client: object): ViewsDesk;
};
