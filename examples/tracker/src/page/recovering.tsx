import { Component, type ReactNode } from 'react';
import { useErrorReset } from './holdfast.ts';

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
    const again = (): void => {
      this.props.reset();
      this.setState({ error: null });
    };
    return (
      <div className="nothing" role="alert">
        <h2>This cannot be shown.</h2>
        <p>{error.message}</p>
        <button className="primary" onClick={again}>
          Try again
        </button>
      </div>
    );
  }
}
