import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isObject } from '@holdfast/protocol';

// A library, or a project of several, writes declarations of what it exports. The compiler then has to name each type that
// was inferred, by a door of ours, or says that it cannot.

const root = join(import.meta.dirname, '..');
const packages = ['protocol', 'client', 'react', 'server', 'conformance'];
/** What the compiler says of a type that it cannot name, or of a function whose result it cannot. */
const unnamed = /error TS(?:2742|2883|40\d\d|41\d\d)/;

/** What applications hand on and never look into, with what it is made of; and names for plain text. */
const sealed: ReadonlySet<string> = new Set([
  'Check',
  'ChildMark',
  'Delivery',
  'DeliveryDesk',
  'Glob',
  'Keeping',
  'Path',
  'RecordEntry',
  'RecordsPlug',
  'StoreName',
  'ViewsPlug',
]);
/** Of the packages themselves, for each other. */
const inner: ReadonlySet<string> = new Set(['@holdfast/client/shelf']);

type Door = { readonly name: string; readonly source: string };

/** Compiles modules that export what they were given, and returns what the compiler cannot name in their declarations. */
export function unnamedTypes(modules: { readonly [file: string]: string }): readonly string[] {
  mkdirSync(join(root, 'temp'), { recursive: true });
  const folder = mkdtempSync(join(root, 'temp', 'names-'));
  try {
    for (const [file, text] of Object.entries(modules)) writeFileSync(join(folder, file), text);
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
    const compiler = join(root, 'node_modules/.bin/tsc');
    const { stdout } = spawnSync(compiler, ['-p', folder, '--pretty', 'false'], {
      encoding: 'utf8',
    });
    return stdout.split('\n').filter((line) => unnamed.test(line));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** For each door a module that exports what each of its functions and values gives, and each member of its types. */
export async function modulesOfDoors(): Promise<{ readonly [file: string]: string }> {
  const doors = packages.flatMap(doorsOf).filter(({ name }) => !inner.has(name));
  const texts = await Promise.all(doors.map(moduleOf));
  return Object.fromEntries(texts.map((text, index) => [`door-${index}.ts`, text]));
}

async function moduleOf({ name, source }: Door): Promise<string> {
  const values: unknown = await import(name);
  const names = Object.keys(isObject(values) ? values : {});
  return [
    `import * as door from '${name}';`,
    'declare function members<T>(of: T): { [Name in keyof T]: T[Name] };',
    'type Made<T> = T extends (...given: never) => infer Result ? Result : null;',
    'declare function made<T>(by: T): Made<T>;',
    ...names.flatMap((value) => [
      `export const value_${value} = [door.${value}];`,
      `export const made_${value} = [made(door.${value})];`,
    ]),
    ...typesOf(source).map(
      (type) => `export const of_${type} = (of: door.${type}) => members(of);`,
    ),
  ].join('\n');
}

/** The types that a door exports, whether it declares them or passes them on. */
function typesOf(source: string): readonly string[] {
  const text = readFileSync(source, 'utf8').replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, '');
  const declared = [...text.matchAll(/^export (?:type|interface) (\w+)/gm)].map(([, name]) => name);
  const listed = [...text.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(
    ([, isType, list = '']) =>
      list
        .split(',')
        .map((each) => each.trim())
        .filter((each) => isType !== undefined || each.startsWith('type '))
        .map((each) => /(\w+)$/.exec(each)?.[1]),
  );
  return [...declared, ...listed].flatMap((name) =>
    name === undefined || sealed.has(name) ? [] : [name],
  );
}

function doorsOf(name: string): readonly Door[] {
  const folder = join(root, 'packages', name);
  const parsed: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const exported = isObject(parsed) && isObject(parsed['exports']) ? parsed['exports'] : {};
  return Object.entries(exported).flatMap(([door, to]) =>
    isObject(to) && typeof to['@holdfast/source'] === 'string'
      ? [
          {
            name: `@holdfast/${name}${door.slice(1)}`,
            source: join(folder, to['@holdfast/source']),
          },
        ]
      : [],
  );
}

const settings = {
  extends: '../../tsconfig.check.json',
  compilerOptions: {
    noEmit: false,
    emitDeclarationOnly: true,
    declaration: true,
    outDir: 'out',
    // As if they were installed, so that what no door tells has no other way.
    preserveSymlinks: true,
  },
  include: ['*.ts', '*.tsx'],
  exclude: [],
};
