import { KnownPlaces, Places } from '@holdfast/engine/gate';
import { asPath } from '@holdfast/protocol';
import { expect, test } from 'vitest';

const templates = [
  { template: 'users/:id', item: 'user' },
  { template: 'users/:id/notes/:note', item: 'note' },
];

test('a path is looked at once, however many ask about it, and what is known of many paths is what there is', () => {
  const known = new KnownPlaces(templates);
  const places = new Places(templates);
  const paths = ['users', 'users/a', 'users/a/notes/b/text', 'teams/a'].map(asPath);
  for (const path of paths) {
    const first = known.around(path);
    expect(first).toEqual(places.around(path));
    expect(known.lieBelow(path)).toBe(places.lieBelow(path));
    expect(known.around(path)).toBe(first);
  }
  const former = known.around(asPath('users/a'));
  for (let at = 0; at < 1000; at += 1) {
    const path = asPath(`users/${at % 150}/notes/n`);
    expect(known.around(path)).toEqual(places.around(path));
  }
  // Only the last few are kept.
  expect(known.around(asPath('users/a'))).not.toBe(former);
});
