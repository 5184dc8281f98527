import { expect, test } from 'vitest';
import { site, told } from './site.ts';

test('a file whose content is said to be of two types is refused: two headers come as one with a comma', async () => {
  const { call } = await site();
  const put = async (type: string): Promise<unknown> => {
    const headers = { 'content-type': type };
    const [status, json] = await told(await call('a', { method: 'PUT', body: 'x', headers }));
    return json['error'] ?? [status, json['content_type']];
  };
  const quoted = 'text/plain; title="a, \\"b\\", c"';
  expect(await put('text/plain, text/html')).toBe('invalid_params');
  expect(await put(`${quoted},text/html`)).toBe('invalid_params');
  expect(await put(quoted)).toEqual([201, quoted]);
});
