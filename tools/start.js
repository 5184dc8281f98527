// `npm start`: builds the web console if it is missing or older than its sources, then runs `holdfast dev` with a sample
// of real data, in this process. Arguments pass: npm start -- --port 4400 --data DIR
import { buildPage } from './build-page.js';
import { canRunSources } from './node-version.js';

// An older Node.js is told what to do by the command itself.
if (canRunSources) await buildPage('packages/dashboard', 'web console');
process.argv.splice(2, 0, 'dev', '--sample');
await import('../packages/cli/bin/holdfast.js');
