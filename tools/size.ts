import { readFileSync } from 'node:fs';
import { bundle, gzippedBytes } from './bundle.ts';

/**
 * What an application pays for the client: bundles entries as it would, and holds them against `size-budgets.json`. The
 * budget is what we want; the ratchet is what was reached, with a little play. Beyond the budget it says so loudly, beyond
 * the ratchet it fails: sizes only shrink.
 */
const entries: { readonly [name: string]: string } = {
  client: `
    import { createClient } from '@holdfast/client';
    export const open = (url, token) => createClient({ url, token }).store('acme/app');`,
  'client with MessagePack': `
    import { createClient } from '@holdfast/client';
    import { messagePack } from '@holdfast/client/codec/messagepack';
    export const open = (url, token) => createClient({ url, token, codec: messagePack() }).store('acme/app');`,
};
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a file of this repository
const limits = JSON.parse(readFileSync('size-budgets.json', 'utf8')) as {
  readonly [name: string]: { readonly budget: number; readonly ratchet: number };
};

const sizes: { readonly name: string; readonly minified: number; readonly gzipped: number }[] = [];
for (const [name, source] of Object.entries(entries)) {
  const code = await bundle(source);
  const gzipped = gzippedBytes(code);
  sizes.push({ name, minified: Buffer.byteLength(code), gzipped });
}
console.log(row(['bundle', 'minified', 'gzipped', 'budget', 'ratchet']));
for (const { name, minified, gzipped } of sizes) {
  const { budget, ratchet } = limits[name] ?? { budget: 0, ratchet: 0 };
  console.log(row([name, ...[minified, gzipped, budget, ratchet].map(bytes)]));
  if (gzipped > budget) console.log(`  OVER BUDGET by ${bytes(gzipped - budget)}`);
  if (gzipped > ratchet) {
    console.log(`  GREW beyond the ratchet: make it smaller, or raise the ratchet and say why`);
    process.exitCode = 1;
  }
}
const [plain, packed] = sizes;
if (plain !== undefined && packed !== undefined) {
  const [minified, gzipped] = [packed.minified - plain.minified, packed.gzipped - plain.gzipped];
  console.log(row(['MessagePack adds', bytes(minified), bytes(gzipped)]));
}

function bytes(count: number): string {
  return `${(count / 1000).toFixed(1)} kB`;
}

function row([name = '', ...cells]: readonly string[]): string {
  return [name.padEnd(26), ...cells.map((cell) => cell.padStart(11))].join('').trimEnd();
}
