// `npm start`: builds the web console if it is missing or older than its sources, then runs `holdfast dev` with a sample
// of real data, in this process. Arguments pass: npm start -- --port 4400 --data DIR
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dashboard = join(root, 'packages/dashboard');
const built = join(dashboard, 'dist/index.html');
/** What ends up in the built console. */
const sources = [
  ...['index.html', 'vite.config.ts', 'package.json', 'src'].map((name) => join(dashboard, name)),
  ...['react', 'client', 'engine', 'protocol'].map((name) => join(root, 'packages', name, 'src')),
];

function say(text) {
  process.stderr.write(`${text}\n`);
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

async function buildConsole() {
  if (!existsSync(join(dashboard, 'index.html'))) {
    say('This checkout has no web console; starting without it.');
    return;
  }
  if (existsSync(built) && statSync(built).mtimeMs >= newest(sources)) return;
  const start = performance.now();
  const { build } = await import('vite');
  await build({ root: dashboard, logLevel: 'error' });
  say(`Built the web console in ${((performance.now() - start) / 1000).toFixed(1)} s.`);
}

const [major, minor] = process.versions.node.split('.').map(Number);
// An older Node.js is told what to do by the command itself.
if (major > 22 || (major === 22 && minor >= 18)) await buildConsole();
process.argv.splice(2, 0, 'dev', '--sample');
await import('../packages/cli/bin/holdfast.js');
