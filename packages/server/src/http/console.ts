import type { Hono } from 'hono';
import { CodedFiles } from './coded-files.ts';
import type { HttpDeps } from './deps.ts';
import { answerFile, fileWithin, ownContent } from './directory.ts';
import { notFound } from './errors.ts';

const withoutConsole = `Holdfast is running.

The web console is not shown here. "holdfast serve" and "holdfast dev" show it; in a checkout, build it with "npm run build" first.
Whether the server is ready:  /readyz
Whom a token stands for:      /api/whoami
`;

/** The web console: files of one directory, and nothing outside of it (stores.md §19.4). */
export function routeConsole(
  app: Hono,
  { consoleDirectory: directory, clock }: Pick<HttpDeps, 'consoleDirectory' | 'clock'>,
): void {
  const desk = { clock, coded: new CodedFiles() };
  app.get('*', async (c) => {
    const { pathname } = new URL(c.req.url);
    const isPage = pathname === '/';
    const path = isPage ? '/index.html' : pathname;
    const file = directory === undefined ? null : await fileWithin(directory, path);
    if (file === null && isPage) return c.text(withoutConsole);
    if (file === null || file === 'directory') throw notFound();
    const answer = await answerFile(c, desk, file);
    answer.headers.set('Content-Security-Policy', ownContent(c));
    answer.headers.set('Cross-Origin-Opener-Policy', 'same-origin');
    return answer;
  });
}
