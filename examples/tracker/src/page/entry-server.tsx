import { createClient } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { dehydrate } from '@holdfast/client/ssr';
import { views } from '@holdfast/client/views';
import type { Loadable } from '@holdfast/react';
import { PassThrough, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { renderToPipeableStream } from 'react-dom/server';
import { type Version, versionOf } from '../issue/issue.ts';
import { App } from './app.tsx';
import { routeOf } from './use-route.ts';

/** What a page is rendered for. */
export type PageRequest = {
  /** `server.inProcess` of who asks. */
  readonly at: Pick<Parameters<typeof createClient>[0], 'url' | 'token' | 'principal' | 'link'>;
  readonly version: number;
  readonly url: string;
  /** What scripts of the page are known by (Content-Security-Policy). */
  readonly nonce: string;
  readonly into: Writable;
};

/** What the page of an address shows. */
function loadsOf({ issue, list }: Version, url: string): readonly Loadable[] {
  const route = routeOf(url);
  return [list(route.status), ...(route.issue === null ? [] : [issue.ref({ id: route.issue })])];
}

/** Streams a page, and gives what it was rendered from: one client for each request. */
export async function render({
  at,
  version: number,
  url,
  nonce,
  into,
}: PageRequest): Promise<{ seed: string }> {
  const version = versionOf(number);
  const client = createClient({
    ...at,
    records: records([version.issue]),
    views: views(),
    // It ends with the response: nothing has to be let go of before.
    timers: false,
  });
  try {
    // What is above the fold is there with the first byte; what is not prefetched is streamed when it is there.
    await Promise.all([client.prefetch(...loadsOf(version, url)), client.view('Summary').ready]);
    await new Promise<void>((resolve, reject) => {
      const { pipe } = renderToPipeableStream(
        <App client={client} version={version} me={at.principal ?? ''} url={url} />,
        {
          nonce,
          // The rest of the document comes after it; where whoever asked has gone, nothing does.
          onShellReady: () =>
            void pipeline(pipe(new PassThrough()), into, { end: false }).then(resolve, reject),
          onShellError: reject,
          onError: (error) => void (into.destroyed || process.stderr.write(`${String(error)}\n`)),
        },
      );
    });
    return { seed: dehydrate(client) };
  } finally {
    await client.close();
  }
}
