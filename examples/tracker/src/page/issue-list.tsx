import {
  type MouseEvent,
  type ReactNode,
  type RefObject,
  useEffect,
  useRef,
  useState,
  useTransition,
} from 'react';
import { useCollection, useVersion } from './holdfast.ts';
import type { Routing } from './use-route.ts';

const names = { open: 'Open', doing: 'Doing', done: 'Done' } as const;

/** The issues of a status, a page of them at a time. */
export function IssueList({ route, go, href }: Routing): ReactNode {
  const version = useVersion();
  const { rows, hasMore, loadMore } = useCollection(version.list(route.status));
  const [isMoving, startTransition] = useTransition();
  const follow = (event: MouseEvent, to: typeof route): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    // The list stays until the next one is there.
    startTransition(() => go(to));
  };
  const { list, isLoading, more } = useMore({ shown: rows.length, hasMore, loadMore });
  return (
    <>
      <nav className="tabs" aria-label="Which issues">
        {([null, ...version.statuses] as const).map((status) => {
          const to = { ...route, status };
          return (
            <a
              key={status}
              href={href(to)}
              aria-current={route.status === status ? 'page' : undefined}
              onClick={(event) => follow(event, to)}
            >
              {status === null ? 'All' : names[status]}
            </a>
          );
        })}
      </nav>
      <ol className="issues" ref={list} aria-busy={isMoving}>
        {rows.map(({ key, value, pending }) => {
          const to = { ...route, issue: key.slice(key.lastIndexOf('/') + 1) };
          return (
            <li key={key}>
              <a
                href={href(to)}
                className="issue"
                data-pending={pending > 0}
                aria-current={route.issue === to.issue ? 'true' : undefined}
                onClick={(event) => follow(event, to)}
              >
                <span
                  className={`dot ${value.status}`}
                  aria-label={names[value.status]}
                  role="img"
                />
                <span className="title" dir="auto">
                  {value.title}
                </span>
                {value.priority === 'high' && <span className="tag">High</span>}
              </a>
            </li>
          );
        })}
      </ol>
      {rows.length === 0 && !hasMore && <p className="hint nothing">Nothing here.</p>}
      {hasMore && rows.length > 0 && (
        // Disabled it would lose the focus.
        <button className="more" aria-disabled={isLoading} onClick={() => void more()}>
          Show more
        </button>
      )}
    </>
  );
}

type Pages = {
  readonly shown: number;
  readonly hasMore: boolean;
  readonly loadMore: () => Promise<unknown>;
};

type More = {
  readonly list: RefObject<HTMLOListElement | null>;
  readonly isLoading: boolean;
  readonly more: () => Promise<void>;
};

/** One page more. With the last one the button goes, and the focus with it: it goes on where that page begins. */
function useMore({ shown, hasMore, loadMore }: Pages): More {
  const [isLoading, setLoading] = useState(false);
  const list = useRef<HTMLOListElement>(null);
  const before = useRef(0);
  const more = async (): Promise<void> => {
    if (isLoading) return;
    setLoading(true);
    before.current = shown;
    await loadMore().finally(() => setLoading(false));
  };
  useEffect(() => {
    const at = before.current;
    if (isLoading || at === 0 || shown <= at) return;
    // Once for each page: another list that ends is nobody's press.
    before.current = 0;
    if (hasMore || document.activeElement !== document.body) return;
    list.current?.querySelectorAll<HTMLElement>('.issue')[at]?.focus();
  }, [isLoading, shown, hasMore]);
  return { list, isLoading, more };
}
