import { expect, test } from 'vitest';

import { openApiDocument, operations } from '../../src/http/openapi/document.ts';
import { examples } from '../../src/http/openapi/examples.ts';
import { World } from './world.ts';

type Described = {
  readonly requestBody?: { readonly content: { readonly [type: string]: { example?: unknown } } };
};

test('each body of JSON in the document has an example, and the server takes it', async () => {
  const world = new World();
  await world.store('acme/blog');
  const { ask } = await world.token();
  const made = await ask('POST', '/api/stores/acme/blog/webhooks', { url: 'https://example.org' });
  const { paths } = openApiDocument('1.0.0') as {
    paths: { [path: string]: { [method: string]: Described } };
  };
  const taken: string[] = [];
  for (const id of Object.keys(examples)) {
    const operation = operations.find((each) => each.id === id);
    const { path = '', method = 'get' } = operation ?? {};
    const body = paths[path]?.[method]?.requestBody?.content['application/json']?.example;
    const at = path
      .replace('{org}/{store}', 'acme/blog')
      .replace('{path}', 'posts/one')
      .replace('{id}', String(made.json['id']));
    // oxlint-disable-next-line no-await-in-loop -- in the order of the list
    const { status, json } = await ask(method.toUpperCase(), at, body);
    expect([200, 201], `${id}: ${JSON.stringify(json)}`).toContain(status);
    taken.push(id);
  }
  const described = operations.flatMap(({ id, body }) =>
    body?.type === 'application/json' ? [id.replace(/ByQuery$/, '')] : [],
  );
  expect([...new Set(described)].toSorted()).toEqual(taken.toSorted());
});
