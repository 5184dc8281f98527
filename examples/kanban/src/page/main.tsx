import { explainErrors } from '@holdfast/client';
import { StrictMode, Suspense } from 'react';
import { createRoot } from 'react-dom/client';
import { Away } from './away.tsx';
import { Board } from './board.tsx';
import { connect, HoldfastProvider } from './holdfast.ts';
import { Recovering } from './recovering.tsx';

// People read these errors: they come with sentences.
explainErrors();
const root = document.querySelector('#root');
if (root === null) throw new Error('The page has no #root.');
createRoot(root).render(
  <StrictMode>
    <HoldfastProvider client={connect()}>
      <Recovering>
        <Suspense fallback={<p className="waiting">Opening the board …</p>}>
          <Board />
        </Suspense>
      </Recovering>
      <Away />
    </HoldfastProvider>
  </StrictMode>,
);
