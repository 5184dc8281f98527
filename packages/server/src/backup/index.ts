export { type BackUpOptions, backUp } from './back-up.ts';
export { BackupError, type BackupReport, type BackupStep } from './manifest.ts';
export { restore, type RestoreOptions, type RestoreReport } from './restore.ts';
