import { describe, expect, test } from 'vitest';

import { allowsOrigin } from '../../src/access/index.ts';

describe('origins', () => {
  const host = 'sync.example:7070';

  test('no origin and the same host may connect, other pages may not', () => {
    expect(allowsOrigin([], { origin: undefined, host })).toBe(true);
    expect(allowsOrigin([], { origin: 'https://sync.example:7070', host })).toBe(true);
    expect(
      allowsOrigin([], { origin: 'http://SYNC.example:7070', host: 'Sync.Example:7070' }),
    ).toBe(true);
    for (const origin of [
      'https://sync.example',
      'https://sync.example:7071',
      'https://evil.example',
      'https://sync.example:7070.evil.example',
      'https://sync.example:7070@evil.example',
      'null',
      '',
      'sync.example:7070',
    ]) {
      expect(allowsOrigin([], { origin, host }), origin).toBe(false);
    }
    expect(allowsOrigin([], { origin: 'https://sync.example', host: undefined })).toBe(false);
  });

  test('listed origins may connect, by their exact name', () => {
    const listed = ['https://app.example'];
    expect(allowsOrigin(listed, { origin: 'https://app.example', host })).toBe(true);
    expect(allowsOrigin(listed, { origin: 'http://app.example', host })).toBe(false);
    expect(allowsOrigin(listed, { origin: 'https://app.example.evil', host })).toBe(false);
    expect(allowsOrigin(['*'], { origin: 'https://any.example', host })).toBe(true);
  });
});
