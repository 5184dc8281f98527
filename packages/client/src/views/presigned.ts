import { isObject } from '@holdfast/protocol';
import type { Uploader } from './upload.ts';

/** Sends a file by one request to a URL that the server has signed: `meta` is `{url, method?, headers?}` (views.md §10.4). */
export const presigned: Uploader = ({ file, meta, signal, progress }) =>
  new Promise((resolve, reject) => {
    // Node has another way, which tells no progress.
    if (typeof XMLHttpRequest === 'undefined') {
      fetched(file, readMeta(meta), signal).then(resolve, reject);
      return;
    }
    const { url, method = 'PUT', headers = {} } = readMeta(meta);
    const request = new XMLHttpRequest();
    const abort = (): void => request.abort();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener('progress', ({ loaded, total }) => {
      progress(total === 0 ? 0 : Math.floor((100 * loaded) / total));
    });
    request.addEventListener('load', () => {
      if (request.status >= 200 && request.status < 300) resolve();
      else reject(new Error(`The upload was answered by ${request.status}.`));
    });
    request.addEventListener('error', () => reject(new Error('The upload could not be sent.')));
    request.addEventListener('abort', () => reject(signal.reason));
    request.addEventListener('loadend', () => signal.removeEventListener('abort', abort));
    signal.addEventListener('abort', abort);
    request.send(file);
  });

async function fetched(
  file: Blob,
  { url, method = 'PUT', headers = {} }: Meta,
  signal: AbortSignal,
): Promise<void> {
  const { ok, status } = await fetch(url, { method, headers, body: file, signal });
  if (!ok) throw new Error(`The upload was answered by ${status}.`);
}

type Meta = {
  readonly url: string;
  readonly method?: string;
  readonly headers?: { readonly [name: string]: string };
};

function readMeta(meta: unknown): Meta {
  if (!isObject(meta) || typeof meta['url'] !== 'string') {
    throw new TypeError('The server gave no "url" to send the file to.');
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the server's `external` gives
  return meta as Meta;
}
