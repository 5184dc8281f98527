import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * Whether the packages work where they are installed: packs each as it would be published, installs all of them into an
 * empty project without development dependencies, imports every door of every package, compiles a program against their
 * types, and runs it. After `npm run build`; needs the network for what the packages depend on.
 */
const root = resolve(import.meta.dirname, '..');
const project = mkdtempSync(join(tmpdir(), 'holdfast-install-'));
const npm = (args: readonly string[], cwd: string): void => {
  execFileSync('npm', [...args], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
};
const names = readdirSync(join(root, 'packages'));
/** Doors whose heavy library is an optional peer, or that are made for test runners and browsers. */
const optional = /s3|phoenix|react|tracing|dashboard/;

const compilerOptions: object = {
  module: 'nodenext',
  target: 'es2023',
  strict: true,
  skipLibCheck: false,
  types: ['node'],
  typeRoots: [join(root, 'node_modules/@types')],
  lib: ['es2023', 'esnext.disposable', 'dom'],
  outDir: 'out',
};
const program: string = `
import { createClient } from '@holdfast/client';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
const server = createServer({ storage: memory() });
const { url } = await server.listen();
await server.stores.create('acme/app');
const { rawToken: token } = await server.tokens.issue({
  name: 'install', org: 'acme', scopes: ['entries:read', 'entries:write'],
  storeAccess: { mode: 'all' }, expiresAt: null, createdBy: null,
});
const client = createClient({ url, token });
const store = client.store('acme/app');
await store.ready;
const { seq } = await store.put('a', { b: 1 }).committed;
if (seq !== 1 || JSON.stringify(store.get('a')) !== '{"b":1}') throw new Error('it does not work');
await client.close();
await server.close();
`;

try {
  const packs = names.map((name) => `-w=packages/${name}`);
  npm(['pack', '--silent', '--pack-destination', project, ...packs], root);
  const archives = readdirSync(project).filter((name) => name.endsWith('.tgz'));
  writeFileSync(join(project, 'package.json'), '{"private":true,"type":"module"}');
  npm(
    ['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', ...archives],
    project,
  );
  writeFileSync(
    join(project, 'doors.js'),
    doors()
      .map((door) => `await import('${door}');`)
      .join('\n'),
  );
  writeFileSync(join(project, 'program.ts'), program);
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['program.ts'] }),
  );
  run(process.execPath, ['doors.js']);
  run(join(root, 'node_modules/.bin/tsc'), ['-p', '.']);
  run(process.execPath, ['out/program.js']);
  run(process.execPath, ['node_modules/@holdfast/cli/bin/holdfast.js', '--version']);
  console.log(
    `${names.length} packages, ${doors().length} doors: installed, imported, compiled and run`,
  );
} finally {
  rmSync(project, { recursive: true, force: true });
}

function run(command: string, args: readonly string[]): void {
  execFileSync(command, [...args], { cwd: project, stdio: ['ignore', 'inherit', 'inherit'] });
}

function doors(): readonly string[] {
  return names.flatMap((folder) => {
    const text = readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8');
    const { name, exports } = JSON.parse(text) as {
      name: string;
      exports?: Record<string, unknown>;
    };
    return Object.keys(exports ?? {})
      .filter((door) => !door.includes('*') && !door.endsWith('.json'))
      .map((door) => `${name}${door.slice(1)}`)
      .filter((door) => !optional.test(door));
  });
}
