// Builds the page of a package if it is missing or older than what goes into it.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Builds the page in `folder`, which says of itself that it is `name`. */
export async function buildPage(folder, name) {
  const directory = join(root, folder);
  const built = join(directory, 'dist/index.html');
  if (!existsSync(join(directory, 'index.html'))) {
    say(`This checkout has no ${name}; starting without it.`);
    return;
  }
  if (existsSync(built) && statSync(built).mtimeMs >= newest(sourcesOf(directory))) return;
  const start = performance.now();
  const { build } = await import('vite');
  await build({ root: directory, logLevel: 'error' });
  // A page that is rendered on its server is built for that, too.
  const ssr = join(directory, 'src/page/entry-server.tsx');
  if (existsSync(ssr)) {
    const output = { ssr, outDir: 'dist/server', emptyOutDir: false };
    await build({ root: directory, logLevel: 'error', build: output });
  }
  say(`Built the ${name} in ${((performance.now() - start) / 1000).toFixed(1)} s.`);
}

/** What ends up in a built page. */
function sourcesOf(directory) {
  return [
    ...['index.html', 'vite.config.ts', 'package.json', 'src'].map((name) => join(directory, name)),
    join(root, 'examples/style'),
    ...['react', 'client', 'engine', 'protocol'].map((name) => join(root, 'packages', name, 'src')),
  ];
}

/** When the newest of some files and directories was changed, in milliseconds. */
function newest(paths) {
  const times = paths.filter(existsSync).flatMap((path) => {
    const stat = statSync(path);
    if (!stat.isDirectory()) return [stat.mtimeMs];
    return [newest(readdirSync(path).map((name) => join(path, name)))];
  });
  return Math.max(0, ...times);
}

function say(text) {
  process.stderr.write(`${text}\n`);
}
