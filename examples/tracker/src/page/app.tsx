import type { Client } from '@holdfast/client';
import { type ReactNode, Suspense } from 'react';
import type { Version } from '../issue/issue.ts';
import { Away } from './away.tsx';
import { HoldfastProvider, VersionContext } from './holdfast.ts';
import { IssueList } from './issue-list.tsx';
import { IssuePanel } from './issue-panel.tsx';
import { Newer } from './newer.tsx';
import { NewIssue } from './new-issue.tsx';
import { Recovering } from './recovering.tsx';
import { Summary } from './summary.tsx';
import { UndoButton, UndoProvider } from './use-undo.tsx';
import { useFocusAlong } from './use-focus-along.ts';
import { useRoute } from './use-route.ts';

type Props = {
  readonly client: Client;
  readonly version: Version;
  readonly me: string;
  readonly url: string;
};

/** The whole page, on the server and in the browser. */
export function App({ client, version, me, url }: Props): ReactNode {
  const { route, go, href } = useRoute(url);
  useFocusAlong(route.issue);
  return (
    <HoldfastProvider client={client} store="team/tracker">
      <VersionContext value={version}>
        <UndoProvider>
          <header className="bar">
            <h1>Issues</h1>
            <p className="hint who">
              You are <bdi>{me}</bdi>. <kbd>Ctrl</kbd> <kbd>Z</kbd> takes back.
            </p>
            <Suspense fallback={<p className="hint">…</p>}>
              <Summary />
            </Suspense>
            <Away />
            <UndoButton />
          </header>
          <Newer />
          <main className={route.issue === null ? 'tracker' : 'tracker chosen'}>
            <section className="aside" aria-label="Issues" tabIndex={-1}>
              <NewIssue me={me} made={(issue) => go({ ...route, issue })} />
              <Recovering>
                <Suspense fallback={<p className="hint nothing">Loading …</p>}>
                  <IssueList route={route} go={go} href={href} />
                </Suspense>
              </Recovering>
            </section>
            <section className="panel" aria-label="Issue" tabIndex={-1}>
              {route.issue === null ? (
                <p className="hint nothing">Choose an issue, or write one.</p>
              ) : (
                <Recovering>
                  <Suspense fallback={<p className="hint nothing">Loading …</p>}>
                    <IssuePanel
                      key={route.issue}
                      id={route.issue}
                      close={() => go({ ...route, issue: null })}
                    />
                  </Suspense>
                </Recovering>
              )}
            </section>
          </main>
        </UndoProvider>
      </VersionContext>
    </HoldfastProvider>
  );
}
