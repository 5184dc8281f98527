import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { isObject } from '@holdfast/protocol';

// Valid both as TypeScript and as JavaScript.
const source = `import { createClient } from '@holdfast/client';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';

const server = createServer({ storage: memory() });
const { url } = await server.listen();
await server.stores.create('acme/app');
const { rawToken } = await server.tokens.issue({
  name: 'app',
  org: 'acme',
  scopes: ['entries:read', 'entries:write'],
  storeAccess: { mode: 'all' },
  expiresAt: null,
  createdBy: null,
});
const client = createClient({ url, token: rawToken });
const store = client.store('acme/app');
await store.ready;
await store.put('greeting', 'hello').committed;
console.log('the store says ' + JSON.stringify(store.get('greeting')));
await client.close();
await server.close();
`;

/** A page, where nobody has types of Node.js, and libraries are checked as well. */
const page = `import { createClient } from '@holdfast/client';
import { records } from '@holdfast/client/records';

await using client = createClient({ url: location.origin, token: null, records: records([]) });
console.log(client.status.get().connection);
`;

/** A program in a simulated world; that a seed fails is seen, too. */
const simulated = `import { badWeather, simulate } from '@holdfast/simulation';

const found = await simulate(
  {
    faults: badWeather,
    async program(world) {
      for (const name of ['ann', 'bob']) world.client(name).store('acme/app').increment('visits');
      await world.sleep(500);
    },
    check(world) {
      for (const device of world.devices) {
        const visits = device.store('acme/app').get('visits');
        if (visits !== Number(process.argv[2])) throw new Error(device.name + ' sees ' + JSON.stringify(visits));
      }
    },
  },
  { from: 1, count: 3 },
);
console.log(found === null ? 'nothing is wrong' : 'seed ' + String(found.seed));
`;

/*
 * Packs every package as it would be published, installs the packs in an empty project, and uses them there: the types
 * resolve, a server and a client speak, the commands run, and nothing came along that only this repository needs. Run
 * `npm run build` first.
 */
const packages = [
  'protocol',
  'engine',
  'client',
  'react',
  'server',
  'dashboard',
  'cli',
  'conformance',
].map((name) => join('packages', name));
/** Doors whose heavy library is an optional peer, or that are made for test runners and browsers. */
const optional = /s3|phoenix|react|tracing|dashboard/;
const ours = manifest('package.json');
const work = mkdtempSync(join(tmpdir(), 'holdfast-packed-'));
try {
  const packs = [...packages, 'simulation'].map(pack);
  const app = join(work, 'app');
  mkdirSync(app);
  install(app, packs);
  refuseStrangers(app);
  checkTypes(app);
  console.log(run(app, process.execPath, ['app.mjs']).trim());
  const opened = openDoors(app, process.execPath, packages);
  // A client may be on an older Node.js than a server: on the machine's own, where that is another one.
  const own = ownNode();
  const older =
    own === null
      ? ''
      : openDoors(
          app,
          own,
          packages.filter((each) => /protocol|engine|client/.test(each)),
        );
  console.log(`imported: ${opened}${older === '' ? '' : `; ${older}`}`);
  const help = run(app, process.execPath, ['node_modules/@holdfast/cli/bin/holdfast.js', '--help']);
  if (!help.includes('holdfast')) throw new Error(`the command says: ${help}`);
  const suite = 'node_modules/@holdfast/conformance/bin/holdfast-conformance.js';
  const list = run(app, process.execPath, [suite, '--list']);
  if (!list.includes('heartbeat')) throw new Error(`the suite says: ${list}`);
  const worlds = ['2', '3'].map((visits) => run(app, process.execPath, ['world.mjs', visits]));
  if (!/^nothing is wrong\nseed 1$/m.test(worlds.join(''))) {
    throw new Error(`the simulation says: ${worlds.join('')}`);
  }
  console.log('types resolve, the server and the client speak, the commands and a simulation run');
} finally {
  rmSync(work, { recursive: true, force: true });
}

function pack(folder: string): string {
  const told = run(resolve(folder), 'npm', ['pack', '--silent', '--pack-destination', work]);
  return join(work, told.trim().split('\n').at(-1) ?? '');
}

function install(app: string, packs: readonly string[]): void {
  writeFileSync(join(app, 'package.json'), JSON.stringify({ type: 'module', private: true }));
  writeFileSync(join(app, 'app.ts'), source);
  writeFileSync(join(app, 'page.ts'), page);
  writeFileSync(join(app, 'app.mjs'), source);
  writeFileSync(join(app, 'world.ts'), simulated);
  writeFileSync(join(app, 'world.mjs'), simulated);
  const compiler = `typescript@${String(ours['typescript'])}`;
  const types = `@types/node@${String(ours['@types/node'])}`;
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', '--silent'];
  run(app, 'npm', ['install', ...quiet, ...packs, compiler, types]);
}

/** Imports every door of some packages; says how many, and where. */
function openDoors(app: string, node: string, folders: readonly string[]): string {
  const doors = folders.flatMap((folder) => doorsOf(join(folder, 'package.json')));
  const lines = [
    ...doors.map((door) => `await import('${door}');`),
    'console.log(process.version);',
  ];
  writeFileSync(join(app, 'doors.mjs'), lines.join('\n'));
  return `${doors.length} doors on Node.js ${run(app, node, ['doors.mjs']).trim()}`;
}

function doorsOf(file: string): readonly string[] {
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const { name, exports } = isObject(parsed) ? parsed : {};
  return Object.keys(isObject(exports) ? exports : {})
    .filter((door) => !door.includes('*') && !door.endsWith('.json'))
    .map((door) => `${String(name)}${door.slice(1)}`)
    .filter((door) => !optional.test(door));
}

/** The Node.js of the machine: not the one that this repository brings. */
function ownNode(): string | null {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const own = folders.filter((folder) => !folder.includes('node_modules'));
  return own.map((folder) => join(folder, 'node')).find((file) => existsSync(file)) ?? null;
}

/** What only tests and builds of this repository need is nobody else's to download. */
function refuseStrangers(app: string): void {
  const installed = readdirSync(join(app, 'node_modules'));
  const wanted = new Set(['typescript', '@types']);
  const leaked = Object.keys(ours)
    .map((name) => name.split('/')[0] ?? name)
    .filter((name) => installed.includes(name) && !wanted.has(name));
  if (leaked.length > 0) throw new Error(`installed with the packages: ${leaked.join(', ')}`);
}

function checkTypes(app: string): void {
  const compiler = join(app, 'node_modules/.bin/tsc');
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext'];
  run(app, compiler, [...options, '--types', 'node', 'app.ts', 'world.ts']);
  run(app, compiler, [...options, '--lib', 'es2022,dom', 'page.ts']);
}

function run(cwd: string, command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    const told = isObject(error) ? `${String(error['stdout'])}${String(error['stderr'])}` : '';
    throw new Error(`${command} ${args.join(' ')} failed:\n${told}`, { cause: error });
  }
}

/** The development dependencies of this repository. */
function manifest(file: string): { readonly [name: string]: unknown } {
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const development = isObject(parsed) ? parsed['devDependencies'] : null;
  return isObject(development) ? development : {};
}
