import { createClient, explainErrors, HoldfastError } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { hydrate } from '@holdfast/client/ssr';
import { views } from '@holdfast/client/views';
import { hydrateRoot } from 'react-dom/client';
import { versionOf } from '../issue/issue.ts';
import { App } from './app.tsx';
import { tellSkew } from './newer.tsx';

// People read these errors: they come with sentences.
explainErrors();
const root = document.querySelector('#root');
const seed = document.querySelector<HTMLElement>('#seed');
if (root === null || seed === null) throw new Error('The page was not rendered.');
const { version: number, me = '' } = seed.dataset;
const version = versionOf(number);
// The cookie says who it is.
const client = createClient({
  url: location.origin,
  token: null,
  principal: me,
  // The server may be of a newer version than this page, which then says so, once.
  records: records([version.issue], { onSkew: tellSkew }),
  views: views(),
  onError: (error) => {
    if (!(error instanceof HoldfastError && error.code === 'schema_skew')) reportError(error);
  },
});
// Who closes the page while something is on its way is asked: it is kept nowhere else.
addEventListener('beforeunload', (event) => {
  if (client.status.get().pending > 0) event.preventDefault();
});
// Begins with what the server has drawn: the same is drawn again, and joined where it was.
hydrate(client, seed.textContent);
const url = `${location.pathname}${location.search}`;
hydrateRoot(root, <App client={client} version={version} me={me} url={url} />);
