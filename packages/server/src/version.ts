import { readFileSync } from 'node:fs';
import { isObject } from '@holdfast/protocol';

/** Of this package: its file lies beside both the sources and the build. */
export const version: string = read();

function read(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  const manifest: unknown = JSON.parse(text);
  return isObject(manifest) ? String(manifest['version']) : '';
}
