import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

/** Bundles and minifies a module as an application for browsers would. */
export async function bundle(source: string): Promise<string> {
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
    resolve: { conditions: ['source', 'browser'] },
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      rollupOptions: { output: { minify: true } },
      lib: { entry: id, formats: ['es'] },
    },
  });
  const [output] = Array.isArray(result) ? result : [result];
  if (output === undefined || !('output' in output)) throw new Error('nothing was bundled');
  return output.output.map((part) => (part.type === 'chunk' ? part.code : '')).join('\n');
}

/** What a text weighs with gzip -9. */
export function gzippedBytes(text: string): number {
  return gzipSync(text, { level: 9 }).byteLength;
}
