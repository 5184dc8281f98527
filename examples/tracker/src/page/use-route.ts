import { useEffect, useState } from 'react';
import { type IssueShape, statuses } from '../issue/issue.ts';

/** What the page shows: it is in its address, so that the server can render it. */
export type Route = {
  readonly status: IssueShape['status'] | null;
  readonly issue: string | null;
};

export type Routing = {
  readonly route: Route;
  readonly go: (route: Route) => void;
  readonly href: (route: Route) => string;
};

export function useRoute(url: string): Routing {
  const [route, setRoute] = useState(() => routeOf(url));
  useEffect(() => {
    const back = (): void => setRoute(routeOf(location.search));
    addEventListener('popstate', back);
    return () => removeEventListener('popstate', back);
  }, []);
  const go = (next: Route): void => {
    history.pushState(null, '', hrefOf(next));
    setRoute(next);
  };
  return { route, go, href: hrefOf };
}

/** What the page of an address shows: anybody may have typed it. */
export function routeOf(url: string): Route {
  const query = new URL(url, 'http://page').searchParams;
  const status = statuses.find((each) => each === query.get('status')) ?? null;
  const [issue = null] = /^[\w-]{1,64}$/.exec(query.get('issue') ?? '') ?? [];
  return { status, issue };
}

function hrefOf({ status, issue }: Route): string {
  const query = new URLSearchParams({
    ...(status !== null && { status }),
    ...(issue !== null && { issue }),
  });
  return query.size === 0 ? '/' : `/?${query}`;
}
