import { explainErrors } from '@holdfast/client';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { connect } from './holdfast.ts';
import { savedName } from './session.ts';
import { SignIn } from './sign-in.tsx';

// People read these errors: they come with sentences.
explainErrors();
const root = document.querySelector('#root');
if (root === null) throw new Error('The page has no #root.');
const me = savedName();
createRoot(root).render(
  <StrictMode>{me === null ? <SignIn /> : <App client={connect()} me={me} />}</StrictMode>,
);
