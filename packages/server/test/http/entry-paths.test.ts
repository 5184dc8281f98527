import { describe, expect, test } from 'vitest';

import { World } from './world.ts';

describe('paths in URLs', () => {
  test.each(['acme/entries', 'entries/docs', 'entries/entries'])(
    'an entry of %s lies where its URL says, whatever the store is called',
    async (name) => {
      const world = new World({});
      await world.store(name);
      const { ask } = await world.token({ org: name.slice(0, name.indexOf('/')) });
      const S = `/api/stores/${name}`;
      expect((await ask('PUT', `${S}/entries/posts/hello`, 1)).status).toBe(200);
      expect((await ask('GET', `${S}/entries?select=keys`)).json['items']).toEqual(['posts/hello']);
      expect((await ask('GET', `${S}/entries/posts/hello`)).json).toMatchObject({ value: 1 });
      expect((await ask('DELETE', `${S}/entries/posts/hello`)).status).toBe(200);
    },
  );

  test('a file of a store that is called files lies where its URL says', async () => {
    const world = new World({});
    await world.store('files/files');
    const { ask } = await world.token({ org: 'files' });
    const S = '/api/stores/files/files';
    expect((await ask('PUT', `${S}/files/a.json`, { a: 1 })).status).toBe(201);
    expect((await ask('GET', `${S}/entries?select=keys`)).json['items']).toEqual(['a.json']);
    expect((await ask('GET', `${S}/files/a.json`)).json).toEqual({ a: 1 });
  });
});
