import { createClient, type Store } from '@holdfast/client';
import type { StoreName } from '@holdfast/protocol';
import { askWho } from './api.ts';
import type { Surroundings } from './command.ts';
import type { Endpoint } from './endpoint.ts';
import { tellFaults } from './faults.ts';
import { interruptible } from './interrupt.ts';
import { type Output, printable } from './output.ts';
import { Progress } from './progress.ts';

/** A handle to send or fetch a file with, and what ends it early. */
export type Filing = { readonly store: Store; readonly signal: AbortSignal };

/**
 * Opens a store for its files, which go over HTTP: nothing of it is downloaded for that. The question before tells an
 * address where nobody listens at once. Ctrl-C gives up in order, so that the same command goes on later.
 */
export async function withFiles<T>(
  endpoint: Endpoint,
  { name, output }: { readonly name: StoreName; readonly output: Output },
  use: (filing: Filing) => Promise<T>,
): Promise<T> {
  await askWho(endpoint);
  const { url, token } = endpoint;
  const client = createClient({ url, token, onError: tellFaults(output) });
  const hint = 'Run the same command again: it goes on where it stopped.';
  try {
    const store = client.store(name, { scope: [] });
    return await interruptible(hint, (signal) => use({ store, signal }));
  } finally {
    await client.close();
  }
}

const steps = { terminal: 100, json: 10 };

/** Shows how far a transfer is, but not for each of its pieces. */
export function transferred(
  around: Surroundings,
  task: { readonly label: string; readonly total: number },
): (done: number) => void {
  const progress = new Progress(around, {
    label: printable(task.label),
    total: task.total,
    unit: 'bytes',
  });
  const share = around.output.json ? steps.json : steps.terminal;
  let shown = -1;
  return (done) => {
    const step = task.total === 0 ? share : Math.floor((share * done) / task.total);
    if (step === shown) return;
    shown = step;
    progress.show(done);
  };
}

const types: { readonly [ending: string]: string } = {
  avif: 'image/avif',
  css: 'text/css',
  csv: 'text/csv',
  gif: 'image/gif',
  gz: 'application/gzip',
  htm: 'text/html',
  html: 'text/html',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  js: 'text/javascript',
  json: 'application/json',
  md: 'text/markdown',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  ogg: 'audio/ogg',
  pdf: 'application/pdf',
  png: 'image/png',
  svg: 'image/svg+xml',
  txt: 'text/plain',
  wasm: 'application/wasm',
  wav: 'audio/wav',
  webm: 'video/webm',
  webp: 'image/webp',
  xml: 'application/xml',
  zip: 'application/zip',
};

/** The content type that a file's name suggests. */
export function typeOfName(name: string): string {
  const ending = name.slice(name.lastIndexOf('.') + 1).toLowerCase();
  return Object.hasOwn(types, ending) ? (types[ending] ?? '') : 'application/octet-stream';
}
