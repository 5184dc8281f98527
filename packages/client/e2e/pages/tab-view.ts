import { createClient } from '@holdfast/client';
import { indexedDB } from '@holdfast/client/cache/indexeddb';
import { tabs } from '@holdfast/client/tabs';
import { views } from '@holdfast/client/views';

/* One of several tabs of an application that shows a view: its server is named in the fragment of the address. */
const { url = '', token = '' } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const errors: string[] = [];
const client = createClient({
  url,
  token,
  cache: indexedDB('app'),
  tabs: tabs({ name: 'ada' }),
  views: views(),
  onError: (error) => errors.push(String(error)),
});
const board = client.view('Board');
/** What was shown, each time that it was another. */
const seen: unknown[] = [];
board.proxy.$subscribe(() => seen.push(board.proxy.$snapshot()));
let remounts = 0;
board.onRemount(() => (remounts += 1));

/** What the page does when it is asked to. */
export const tab = {
  errors,
  ready: board.ready.then(() => undefined),
  shown: (): unknown => board.proxy.$snapshot(),
  seen: (): readonly unknown[] => seen,
  remounts: (): number => remounts,
  health: (): string => board.health.get().state,
  filter: (to: string): Promise<unknown> => board.proxy.$dispatch('filter', { to }),
};
