import { refusals } from '@holdfast/protocol';
import { Validator } from '@seriousme/openapi-schema-validator';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { openApiDocument, operations } from '../../src/http/openapi/document.ts';
import { errorSchema } from '../../src/http/openapi/error-schema.ts';
import { bodies } from '../../src/http/openapi/index.ts';
import { World } from './world.ts';

const document = openApiDocument('1.0.0');
const namedErrors = new Set(Object.keys(Object(errorSchema['properties'])));

test('S111 the document is valid OpenAPI 3.1, by somebody else’s judgement', async () => {
  const { valid, errors } = await new Validator().validate({ ...document });
  expect(errors ?? []).toEqual([]);
  expect(valid).toBe(true);
});

test('S111 every route is in the document, and everything in the document is a route', () => {
  const { app } = new World();
  const served = app.routes
    .filter(({ method, path }) => method !== 'ALL' && !path.endsWith('/api/*') && path !== '*')
    .filter(({ path }) => !['/openapi.json', '/api-docs', '/*'].includes(path))
    .map(({ method, path }) => {
      const named = path.replaceAll(/:(\w+)/g, '{$1}').replace(/\/\*$/, '/{path}');
      return `${method.toLowerCase()} ${named}`;
    });
  const described = operations.map(({ method, path }) => `${method} ${path}`);
  expect(described.toSorted(compare)).toEqual([...new Set(served)].toSorted(compare));
});

test('the document and the page are served, and the page may load nothing from elsewhere', async () => {
  const { app } = new World();
  const served = await app.request('/openapi.json');
  const shown = await served.json();
  expect(shown).toMatchObject({ openapi: '3.1.0', info: { version: '0.0.0' } });
  // A client of it asks below the path at which a proxy shows it.
  const at = new URL(shown.servers[0].url, 'https://example.org/sync/openapi.json');
  expect(at.href).toBe('https://example.org/sync/');
  const page = await app.request('/api-docs');
  expect(await page.text()).toContain('openapi.json');
  expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'.*sha256-/);
});

test.each([
  ['POST', '/entries', 'EntryWrite', { value: 1 }],
  ['DELETE', '/entries', 'EntryDelete', {}],
  ['POST', '/rollback', 'Rollback', { to_seq: 0 }],
] as const)(
  'S111 a path by its segments is in the document, and taken: %s %s',
  async (method, end, name, rest) => {
    const world = new World();
    await world.store('acme/blog');
    const { ask } = await world.token();
    await ask('POST', '/api/stores/acme/blog/entries', { path: 'a~1b', value: 0 });
    const body = { ...rest, path_segments: ['a/b'] };
    const told = Object.keys(bodies[name].properties);
    expect(told).toEqual(expect.arrayContaining(Object.keys(body)));
    const { status } = await ask(method, `/api/stores/acme/blog${end}`, body);
    expect(status).toBe(200);
  },
);

test('S111 a client made from the document knows each field that a refusal carries, and may leave out what has a default', () => {
  const carried = Object.values(refusals)
    .filter(({ http }) => http !== null)
    // What a pattern is refused for stands in `detail`, for `error` is the reason here.
    .flatMap(({ fields }) => fields.filter((field) => field !== 'error'));
  expect(carried.filter((field) => !namedErrors.has(field))).toEqual([]);
  // Generators of types ask for fields that have a default, as if the server had not been asked to supply it.
  const defaults = Object.entries(bodies).filter(([, body]) =>
    /"default":/.test(JSON.stringify(body)),
  );
  expect(defaults).toEqual([]);
});

const junk = fc.oneof(
  fc.string(),
  fc.constantFrom(
    '',
    '..',
    '%00',
    '%zz',
    '__proto__',
    'a/b',
    '**',
    '-1',
    '9'.repeat(30),
    '\u{1F600}',
  ),
);
const asked = fc.record({
  operation: fc.constantFrom(...operations),
  org: fc.oneof({ weight: 4, arbitrary: fc.constant('acme') }, junk),
  store: fc.oneof({ weight: 4, arbitrary: fc.constant('blog') }, junk),
  rest: junk,
  query: fc.array(junk, { maxLength: 3 }),
  header: fc.string({ unit: 'grapheme-ascii', maxLength: 40 }),
  body: fc.oneof(
    fc.json(),
    junk,
    fc.constant(
      '{"path":"a","value":1,"ops":[{"op":"set","path":"a","value":1}],"to_seq":0,"paths":["a"],"name":"new"}',
    ),
  ),
});

test(
  'S111 whatever is asked of any route, the answer is one that the document names',
  { timeout: 120_000 },
  async () => {
    const world = new World();
    await world.store('acme/blog');
    const { raw } = await world.token();
    await fc.assert(
      fc.asyncProperty(asked, async ({ operation, org, store, rest, query, header, body }) => {
        if (operation.id === 'watch') return;
        const path = operation.path
          .replace('{org}', encodeURIComponent(org))
          .replace('{store}', encodeURIComponent(store))
          .replace(/\{\w+\}/, encodeURIComponent(rest));
        const names = Object.keys(operation.query ?? {});
        const search = new URLSearchParams(
          query.map((value, at) => [names[at] ?? 'surplus', value]),
        );
        const headers = new Headers({ Authorization: `Bearer ${raw}` });
        for (const name of operation.headers ?? []) headers.set(name, header);
        if (operation.body) headers.set('Content-Type', operation.body.type);
        const answer = await world.app.request(`${path}?${search}`, {
          method: operation.method.toUpperCase(),
          headers,
          ...(operation.body && { body }),
        });
        const text = await answer.text();
        // Parsers of URLs fold `..`: what is asked then is another path, of which the method may be none.
        const isFolded = new URL(path, 'http://localhost').pathname !== path;
        const named = [
          ...(isFolded ? ['405'] : []),
          ...Object.keys(operation.answers),
          ...(operation.errors ?? []).map(String),
          '401',
          '403',
          '404',
          '429',
        ];
        expect(named, `${operation.id} ${path}?${search} ${text.slice(0, 200)}`).toContain(
          String(answer.status),
        );
        if (answer.status >= 400) {
          const told = Object.keys(JSON.parse(text)).filter((field) => !namedErrors.has(field));
          expect(told, text.slice(0, 200)).toEqual([]);
        }
        expect(world.failures).toEqual([]);
      }),
      { numRuns: 1500 },
    );
  },
);

function compare(a: string, b: string): number {
  return a < b ? -1 : 1;
}
