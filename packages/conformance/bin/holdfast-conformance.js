#!/usr/bin/env node
// The door of the `holdfast-conformance` command. In a checkout of the repository it runs the TypeScript sources as they are;
// installed from a registry it runs what was built from them.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const source = new URL('../src/main.ts', import.meta.url);
const inCheckout = existsSync(source) && !fileURLToPath(source).includes('node_modules');

/** Makes packages of this repository resolve to their sources, without a build. */
function resolveSources() {
  module.registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, { ...context, conditions: [...context.conditions, '@holdfast/source'] }),
  });
}

if (inCheckout) resolveSources();
const main = inCheckout ? source : new URL('../dist/main.js', import.meta.url);
const { main: run } = await import(main.href);
process.exitCode = await run(process.argv.slice(2), process);
