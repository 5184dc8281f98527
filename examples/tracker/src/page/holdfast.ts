import { createHoldfast } from '@holdfast/react';
import { createContext, useContext } from 'react';
// A type, and no code: nothing of the server gets into the page.
import type { Tracker } from '../server/tracker.ts';
import { type Version, versionOf } from '../issue/issue.ts';

/** The hooks. */
export const {
  HoldfastProvider,
  useClient,
  useCollection,
  useConnectionStatus,
  useErrorReset,
  useRecord,
  useSnapshot,
  useView,
} = createHoldfast<Tracker>();

/** The version of the data that the page is of. */
export const VersionContext = createContext(versionOf(2));

export function useVersion(): Version {
  return useContext(VersionContext);
}
