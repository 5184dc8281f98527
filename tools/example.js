// `npm run example:chat`: builds the page of an example if it is missing or older than its sources, then runs its server
// in this process. Arguments pass: npm run example:chat -- --port 4410 --data DIR
import { buildPage } from './build-page.js';
import { canRunSources } from './node-version.js';

const [name] = process.argv.splice(2, 1);
if (!canRunSources) {
  process.stderr.write(
    `error The examples need Node.js 22.18 or newer; this is ${process.versions.node}.\n  → Run "npm ci", then "npm run example:${name}": on Linux (x64) that brings a Node.js of its own.\n`,
  );
  process.exit(2);
}
await buildPage(`examples/${name}`, name);
try {
  await import(`../examples/${name}/src/server/main.ts`);
} catch (error) {
  if (error.code !== 'EADDRINUSE') throw error;
  process.stderr.write(
    `error Port ${error.port} is taken by another program.\n  → Choose another: npm run example:${name} -- --port PORT, or --port 0 for any that is free.\n`,
  );
  process.exit(2);
}
