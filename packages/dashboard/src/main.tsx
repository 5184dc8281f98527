import { explainErrors } from '@holdfast/client';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { takeToken } from './model/token.ts';
import { App } from './view/app.tsx';

// People read these errors: they come with sentences.
explainErrors();
const root = document.querySelector('#root');
if (root === null) throw new Error('The page has no #root.');
createRoot(root).render(
  <StrictMode>
    <App firstToken={takeToken()} />
  </StrictMode>,
);
