import { HoldfastError } from '@holdfast/client';
import { Component, type ReactNode } from 'react';
import { useErrorReset } from './holdfast.ts';
import { signOut } from './session.ts';

/** Shows what went wrong instead of what could not be shown, with a way to try again. */
export function Recovering({ children }: { readonly children: ReactNode }): ReactNode {
  return <Boundary reset={useErrorReset()}>{children}</Boundary>;
}

type Props = { readonly reset: () => void; readonly children: ReactNode };
type State = { readonly error: Error | null };

class Boundary extends Component<Props, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: Error): State {
    return { error };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    const isStranger = error instanceof HoldfastError && error.code === 'unauthorized';
    const again = (): void => {
      this.props.reset();
      this.setState({ error: null });
    };
    return (
      <main className="trouble" role="alert">
        <h1>{isStranger ? 'You are signed out.' : 'This did not work.'}</h1>
        <p>{error.message}</p>
        <button className="primary" onClick={isStranger ? signOut : again}>
          {isStranger ? 'Sign in' : 'Try again'}
        </button>
      </main>
    );
  }
}
