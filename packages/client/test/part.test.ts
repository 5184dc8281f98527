import { asGlob, type Glob } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Part } from '../src/part.ts';

test('given a thousand parts that ask what they lack of a thousand patterns, then those are read once, not once for each', () => {
  const globs = Array.from({ length: 1000 }, (_, at) => asGlob(`held/${at}/**`));
  let looks = 0;
  const held = new Proxy<readonly Glob[]>(globs, {
    get: (of, name) => {
      if (typeof name === 'string' && Object.hasOwn(of, name) && name !== 'length') looks += 1;
      return Reflect.get(of, name);
    },
  });
  const lacking = (scope: string) => new Part({ scope: [scope] }).beyond(held).length;
  for (let at = 0; at < 1000; at += 1) {
    expect(lacking(`held/${at}/**`)).toBe(0);
    expect(lacking(`held/${at}/below/*`)).toBe(0);
    expect(lacking(`other/${at}/**`)).toBe(1);
  }
  expect(looks).toBe(1000);
});
