import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// What an app of fifty views costs the compiler (views.md §14).

const root = join(import.meta.dirname, '..');
const compiler = join(root, 'node_modules/.bin/tsc');

/**
 * What the compiler does for an app of so many views and a client that uses each of them, and what it complains of, all
 * in one run: a second client names a view that there is not in an app of three.
 */
export function effortFor(views: number): {
  readonly instantiations: number;
  readonly seconds: number;
  readonly complaints: string;
} {
  const began = performance.now();
  const complaints = compilerOn({
    'app.ts': appOf(views),
    'client.ts': clientOf(views),
    'few.ts': appOf(3),
    'astray.ts': `${clientOf(0, 'few')}void client.view('Veiw1', { params: { room: 'r' } });\n`,
  });
  const count = /Instantiations:\s+(\d+)/.exec(complaints)?.[1];
  const seconds = (performance.now() - began) / 1000;
  return { instantiations: Number(count), seconds, complaints };
}

/** What the compiler says of some modules. */
function compilerOn(modules: { readonly [file: string]: string }): string {
  const directory = mkdtempSync(join(root, 'node_modules/.types-of-views-'));
  try {
    for (const [file, text] of Object.entries(modules)) writeFileSync(join(directory, file), text);
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(settings));
    return spawnSync(compiler, ['-p', directory, '--extendedDiagnostics']).stdout.toString();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const settings = {
  extends: join(root, 'tsconfig.check.json'),
  compilerOptions: { skipLibCheck: true },
  include: ['*.ts'],
  exclude: [],
};

function appOf(views: number): string {
  const declared = Array.from({ length: views }, (_view, i) => viewText(i));
  const names = Array.from({ length: views }, (_view, i) => `v${i}`);
  return `import { app, holdfast, stream, upload } from '@holdfast/server';
import { z } from 'zod';
const { view, loader } = holdfast<{ principal: { id: string }; stores: { 'a/b': { cards: { [id: string]: { title: string } } } } }>();
${declared.join('\n')}
export const all = app({ views: [${names.join(', ')}] });
`;
}

function viewText(i: number): string {
  const child = i === 0 ? 'null' : `h.child(v${i - 1}, 'c', { room: ctx.params.room })`;
  return `const v${i} = view({
  name: 'View${i}',
  params: z.object({ room: z.string(), page: z.number().default(1) }),
  streams: { log: stream<{ id: string; text${i}: string }>({ limit: 9 }) },
  events: { toast: z.object({ msg: z.string() }) },
  uploads: { file: upload({ accept: 'any' }) },
  async: { load: loader((_ctx, id: string) => Promise.resolve({ id, n: ${i} })) },
  mount: (ctx) => ({ filter: 'all', who: ctx.principal.id, n${i}: 0 }),
  render: (s, h, ctx) => ({
    filter: s.filter, n: s.n${i}, child: ${child},
    cards: Object.values(ctx.store('a/b').get('cards') ?? {}).map(({ title }) => ({ title })),
    log: h.stream('log'), load: h.async('load'), file: h.upload('file'),
  }),
  commands: {
    set: { input: z.object({ to: z.string() }), run: (ctx, p) => ctx.update((s) => void (s.filter = p.to)) },
    add: {
      input: z.object({ title: z.string() }), reply: z.object({ id: z.string() }),
      run: async (ctx, p) => { ctx.send('toast', { msg: p.title }); return { id: p.title }; },
    },
  },
});`;
}

function clientOf(views: number, file = 'app'): string {
  const uses = Array.from(
    { length: views },
    (_view, i) => `export async function use${i}(): Promise<string> {
  const root = await client.view('View${i}', { params: { room: 'r' } }).ready;
  const { id } = await root.$dispatch('add', { title: root.filter });
  return id + (root.$snapshot()?.log[0]?.text${i} ?? '');
}`,
  );
  return `import { createClient } from '@holdfast/client';
import type { all } from './${file}.ts';
const client = createClient<typeof all>({ url: 'ws://localhost', token: 't' });
${uses.join('\n')}
`;
}
