#!/usr/bin/env node
// The door of the `holdfast` command. In a checkout of the repository it runs the TypeScript sources as they are;
// installed from a registry it runs what was built from them.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
const source = new URL('../src/main.ts', import.meta.url);
const inCheckout = existsSync(source) && !fileURLToPath(source).includes('node_modules');
const [wantedMajor, wantedMinor] = inCheckout ? [22, 18] : [22, 13];

if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
  const advice = inCheckout
    ? 'Run "npm ci", then "npx holdfast …": on Linux (x64) that brings a Node.js of its own.'
    : 'Install a newer Node.js from https://nodejs.org, or with your version manager.';
  process.stderr.write(
    `error holdfast needs Node.js ${wantedMajor}.${wantedMinor} or newer; this is ${process.versions.node}.\n  → ${advice}\n`,
  );
  process.exit(2);
}

/** Makes packages of this repository resolve to their sources, without a build. */
function resolveSources() {
  module.registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, { ...context, conditions: [...context.conditions, '@holdfast/source'] }),
  });
}

if (inCheckout) resolveSources();
const main = inCheckout ? source : new URL('../dist/main.js', import.meta.url);
const { run } = await import(main.href);
process.exitCode = await run(process.argv.slice(2));
