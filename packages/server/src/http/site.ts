import type { Context, Hono } from 'hono';
import { CodedFiles } from './coded-files.ts';
import type { HttpDeps } from './deps.ts';
import { answerFile, fileWithin, type FoundFile, ownContent } from './directory.ts';
import { notFound } from './errors.ts';
import type { Site, SiteOptions } from './site-options.ts';

/** The files of one directory, and nothing outside of it; the API and the socket come first. */
export function routeSite(app: Hono, given: Site, { clock }: Pick<HttpDeps, 'clock'>): void {
  const desk = { clock, coded: new CodedFiles() };
  const site = typeof given === 'string' ? { directory: given } : given;
  app.get('*', async (c) => {
    const file = await find(c, site);
    if (file === null) throw notFound();
    if (file === 'directory') return c.redirect(withSlash(c), 301);
    const answer = await answerFile(c, desk, file);
    answer.headers.set('Content-Security-Policy', ownContent(c));
    for (const [name, value] of Object.entries(site.headers ?? {})) answer.headers.set(name, value);
    return answer;
  });
}

async function find(
  c: Context,
  { directory, fallback }: SiteOptions,
): Promise<FoundFile | 'directory' | null> {
  const { pathname } = new URL(c.req.url);
  const path = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
  const file = await fileWithin(directory, path);
  const isPage = c.req.header('accept')?.includes('text/html') === true;
  if (file !== null || fallback === undefined || !isPage) return file;
  return fileWithin(directory, fallback.startsWith('/') ? fallback : `/${fallback}`);
}

/** Where the page of a directory is, so that what it names by itself is found beside it. */
function withSlash(c: Context): string {
  const { pathname, search } = new URL(c.req.url);
  return `${pathname}/${search}`;
}
