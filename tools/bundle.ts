import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

/** What a module costs an application: the part that is loaded with the page, and those that are loaded when asked for. */
export type Bundle = {
  readonly entry: string;
  /** Parts behind a dynamic `import()`, by their names. */
  readonly lazy: ReadonlyMap<string, string>;
  /** Every part as a file of its own, by its name, the one to begin with first. */
  readonly files: ReadonlyMap<string, string>;
};

/** Bundles and minifies a module as an application for browsers would; React is left out, unless it is wanted. */
export async function bundle(source: string, withReact = false): Promise<Bundle> {
  // A file that exists in the mind of the bundler only.
  const id = resolve('size-entry.js');
  const result = await build({
    configFile: false,
    logLevel: 'error',
    plugins: [
      {
        name: 'entry',
        enforce: 'pre',
        resolveId: (asked) => (asked === id ? id : null),
        load: (asked) => (asked === id ? source : null),
      },
    ],
    resolve: { conditions: ['@holdfast/source', 'browser'] },
    ...(withReact && { define: { 'process.env.NODE_ENV': '"production"' } }),
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      modulePreload: false,
      // Vite's own code around `import()` is not of the client: an application has it once, if it is built so at all.
      lib: { entry: id, formats: ['es'] },
      rollupOptions: {
        // What an application has anyway.
        external: withReact ? [] : /^react(-dom)?($|\/)/,
        input: id,
        preserveEntrySignatures: 'strict',
        output: { minify: true, comments: false },
      },
    },
  });
  const [output] = Array.isArray(result) ? result : [result];
  if (output === undefined || !('output' in output)) throw new Error('nothing was bundled');
  const chunks = output.output.filter((part) => part.type === 'chunk');
  const entry = chunks.find(({ isEntry }) => isEntry);
  if (entry === undefined) throw new Error('nothing was bundled');
  // What the entry imports is loaded with it, wherever the bundler put it.
  const loaded = new Set([entry.fileName]);
  for (const name of loaded) {
    for (const each of chunks.find(({ fileName }) => fileName === name)?.imports ?? []) {
      loaded.add(each);
    }
  }
  const isLoaded = ({ fileName }: (typeof chunks)[number]): boolean => loaded.has(fileName);
  return {
    entry: chunks
      .filter(isLoaded)
      .map(({ code }) => code)
      .join('\n'),
    files: new Map([entry, ...chunks].map(({ fileName, code }) => [fileName, code])),
    lazy: new Map(chunks.filter((each) => !isLoaded(each)).map(({ name, code }) => [name, code])),
  };
}

/** What a text weighs with gzip -9. */
export function gzippedBytes(text: string): number {
  return gzipSync(text, { level: 9 }).byteLength;
}
