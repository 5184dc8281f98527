import { appendCases } from './conformance/append.ts';
import { auditCases } from './conformance/audit.ts';
import { dedupeCases } from './conformance/dedupe.ts';
import { fileCases } from './conformance/files.ts';
import { keyCases } from './conformance/keys.ts';
import { loadCases } from './conformance/load.ts';
import { seedCases } from './conformance/seed.ts';
import type { StorageSubject } from './conformance/subject.ts';
import { tableCases } from './conformance/tables.ts';
import { webhookCases } from './conformance/webhooks.ts';

export type { StorageSubject } from './conformance/subject.ts';

/** One sentence of the law, and how to see that it holds. `run` rejects if it does not. */
export type ConformanceCase = { readonly name: string; readonly run: () => Promise<void> };

/**
 * The law of the storage port: what every driver must do, for any test runner. Give it a way to open the driver, and make
 * each case a test. A driver that keeps nothing beyond its process says so in `reopen`, and is spared the cases on that.
 */
export function storageConformance(subject: StorageSubject): readonly ConformanceCase[] {
  return [
    ...appendCases,
    ...loadCases,
    ...dedupeCases,
    ...tableCases,
    ...seedCases,
    ...fileCases,
    ...webhookCases,
    ...auditCases,
    ...keyCases,
  ]
    .filter(({ reopens }) => reopens !== true || typeof subject.reopen === 'function')
    .map(({ name, run }) => ({ name, run: () => run(subject) }));
}
