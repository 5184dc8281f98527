import { resumeTime } from './dom.ts';
import { HoldfastProvider } from '@holdfast/react';
import {
  Component,
  type ComponentProps,
  type ReactElement,
  type ReactNode,
  StrictMode,
  Suspense,
} from 'react';
import { createRoot } from 'react-dom/client';
import { turn, until } from './clock.ts';

resumeTime();

/** What React complains of, except for errors that are thrown to a boundary. */
export const complaints: string[] = [];
// oxlint-disable-next-line no-console -- React complains there
console.error = (...said: unknown[]) => {
  const text = said.map(String).join(' ');
  const isTold = said[0] instanceof Error ? !text.includes('use()') : /error occurred/.test(text);
  if (!isTold) complaints.push(text);
};

/** Something React draws, for real: no `act`, its own scheduler. */
export type Page = {
  text(): string;
  /** Waits until it says this and nothing else. */
  shows(text: string): Promise<void>;
  draw(element: ReactElement): void;
  unmount(): void;
  readonly element: HTMLElement;
};

/** Draws on a page of its own. */
export function open(element: ReactElement, isStrict = false): Page {
  const box = document.createElement('div');
  document.body.append(box);
  const root = createRoot(box, { onCaughtError: () => undefined });
  const draw = (drawn: ReactElement): void =>
    root.render(isStrict ? <StrictMode>{drawn}</StrictMode> : drawn);
  draw(element);
  // What Suspense has hidden is not to be seen.
  const text = (): string =>
    [...box.childNodes].map((node) => (isHidden(node) ? '' : node.textContent)).join('');
  return {
    element: box,
    text,
    shows: (wanted) => until(() => text() === wanted, text),
    draw,
    unmount: () => root.unmount(),
  };
}

function isHidden(node: ChildNode): boolean {
  return 'style' in node && (node as HTMLElement).style.display === 'none';
}

/** Lets everything happen that is about to. */
export async function calm(): Promise<void> {
  for (let i = 0; i < 10; i++) await turn();
}

type BoundaryProps = {
  readonly children: ReactNode;
  readonly onReset?: () => void;
  readonly onError?: (error: unknown) => void;
};

/** Shows the code of an error, and a way to try again. */
export class Boundary extends Component<BoundaryProps, { readonly error: unknown }> {
  override state: { readonly error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown): { readonly error: unknown } {
    return { error };
  }

  override componentDidCatch(error: unknown): void {
    this.props.onError?.(error);
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    const reset = (): void => {
      this.props.onReset?.();
      this.setState({ error: null });
    };
    const code = typeof error === 'object' && 'code' in error ? error.code : error;
    return <button onClick={reset}>{`failed: ${String(code)}`}</button>;
  }
}

/** Waits with dots. */
export function Waiting({ children }: { readonly children: ReactNode }): ReactElement {
  return <Suspense fallback="…">{children}</Suspense>;
}

/** What an application has around all that it draws. */
export function App({ children, ...given }: ComponentProps<typeof HoldfastProvider>): ReactElement {
  return (
    <HoldfastProvider {...given}>
      <Boundary>
        <Waiting>{children}</Waiting>
      </Boundary>
    </HoldfastProvider>
  );
}
