/** Applications that have this or that of the client, as they would import it; what each weighs is measured. */
export const entries = {
  client: `
    import { createClient } from '@holdfast/client';
    export const open = (url, token) => createClient({ url, token }).store('acme/app');`,
  'client with MessagePack': `
    import { createClient } from '@holdfast/client';
    import { messagePack } from '@holdfast/client/codec/messagepack';
    export const open = (url, token) => createClient({ url, token, codec: messagePack() }).store('acme/app');`,
  'client with records': `
    import { createClient } from '@holdfast/client';
    import { records } from '@holdfast/client/records';
    import { collection, record } from '@holdfast/protocol';
    export { collection };
    export const open = (url, token, spec) =>
      createClient({ url, token, records: records([record(spec)]) }).record('user', { id: '1' });`,
  'client with views': `
    import { createClient } from '@holdfast/client';
    import { views } from '@holdfast/client/views';
    export const open = (url, token) => {
      const client = createClient({ url, token, views: views() });
      return [client.store('acme/app'), client.view('App.Board')];
    };`,
  'client with IndexedDB, tabs': `
    import { createClient } from '@holdfast/client';
    import { indexedDB } from '@holdfast/client/cache/indexeddb';
    import { tabs } from '@holdfast/client/tabs';
    export const open = (url, token) =>
      createClient({ url, token, cache: indexedDB('app'), tabs: tabs({ name: 'me' }) }).store('acme/app');`,
} satisfies { readonly [name: string]: string };

/** Which hooks an application imports: of stores, what records add to them, and the half that is of views. */
export const hooks: { readonly [Part in 'stores' | 'records' | 'views']: string } = {
  stores: `HoldfastProvider, useClient, useEntries, useEntriesState, useEntry, useEntryState, useErrorReset, useSignal,
    useStore, useStoreState, useSyncStatus, useConnectionStatus`,
  records:
    'useAll, useCollection, useCollectionState, useOne, usePresence, useRecord, useRecordState',
  views: `HoldfastProvider, useAsync, useClient, useCommand, useErrorReset, useEvent, useSignal, useSnapshot, useUpload,
    useView, useViewState`,
};
