import { createHoldfast } from '@holdfast/react';
import { createContext, useContext } from 'react';
import { type Version, versionOf } from '../issue/issue.ts';

/** The hooks. */
export const {
  HoldfastProvider,
  useClient,
  useCollection,
  useConnectionStatus,
  useErrorReset,
  useRecord,
} = createHoldfast();

/** The version of the data that the page is of. */
export const VersionContext = createContext(versionOf(2));

export function useVersion(): Version {
  return useContext(VersionContext);
}
