import { readFileSync } from 'node:fs';
import { bundle, gzippedBytes } from './bundle.ts';
import { entries, hooks } from './size-entries.ts';

/**
 * What an application pays for the client: bundles entries as it would, and holds them against `size-budgets.json`. The
 * budget is what we want; the ratchet is what was reached, with a little play. Beyond the budget it says so loudly, beyond
 * the ratchet it fails: sizes only shrink.
 */
/** What is measured beyond something else: the hooks of an application that has the client already. */
const additions: { readonly [name: string]: { readonly to: string; readonly source: string } } = {
  'react: hooks of stores': { to: entries.client, source: exported(hooks.stores) },
  'react: hooks of records': {
    to: `${entries['client with records']}
    export { presences, presenceTopic } from '@holdfast/client/presence';`,
    source: exported(`${hooks.stores}, ${hooks.records}`),
  },
  'react: hooks of views': { to: entries['client with views'], source: exported(hooks.views) },
  'react: all hooks': { to: entries.client, source: exported('createHoldfast') },
};

function exported(names: string): string {
  return `export { ${names} } from '@holdfast/react';`;
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a file of this repository
const limits = JSON.parse(readFileSync('size-budgets.json', 'utf8')) as {
  readonly [name: string]: { readonly budget: number; readonly ratchet: number };
};

type Size = { readonly minified: number; readonly gzipped: number };

console.log(row(['bundle', 'minified', 'gzipped', 'budget', 'ratchet']));
const sizes: Size[] = [];
for (const name of [...Object.keys(entries), ...Object.keys(additions)]) {
  const { size, lazy } = await measured(name);
  sizes.push(size);
  const { budget, ratchet } = limits[name] ?? { budget: 0, ratchet: 0 };
  console.log(row([name, ...[size.minified, size.gzipped, budget, ratchet].map(bytes)]));
  // What a page loads when it first needs it; none of it is in the figures above.
  for (const [part, code] of lazy) {
    const { minified, gzipped } = sizeOf(code);
    console.log(row([`  later: ${part}`, ...[minified, gzipped].map(bytes)]));
  }
  if (size.gzipped > budget) console.log(`  OVER BUDGET by ${bytes(size.gzipped - budget)}`);
  if (size.gzipped > ratchet) {
    console.log(`  GREW beyond the ratchet: make it smaller, or raise the ratchet and say why`);
    process.exitCode = 1;
  }
}
const [plain, packed] = sizes;
if (plain !== undefined && packed !== undefined) {
  const { minified, gzipped } = plain;
  const more = [packed.minified - minified, packed.gzipped - gzipped];
  console.log(row(['MessagePack adds', ...more.map(bytes)]));
}

type Measured = { readonly size: Size; readonly lazy: ReadonlyMap<string, string> };

async function measured(name: string): Promise<Measured> {
  const addition = additions[name];
  if (addition === undefined) {
    const { entry, lazy } = await bundle(
      Object.entries(entries).find(([of]) => of === name)?.[1] ?? '',
    );
    return { size: sizeOf(entry), lazy };
  }
  const { to, source } = addition;
  const [base, { entry }] = [await bundle(to), await bundle(`${to}\n${source}`)];
  return { size: beyond(sizeOf(base.entry), sizeOf(entry)), lazy: new Map() };
}

function sizeOf(code: string): Size {
  return { minified: Buffer.byteLength(code), gzipped: gzippedBytes(code) };
}

function beyond(base: Size, { minified, gzipped }: Size): Size {
  return { minified: minified - base.minified, gzipped: gzipped - base.gzipped };
}

function bytes(count: number): string {
  return `${(count / 1000).toFixed(1)} kB`;
}

function row([name = '', ...cells]: readonly string[]): string {
  return [name.padEnd(29), ...cells.map((cell) => cell.padStart(11))].join('').trimEnd();
}
