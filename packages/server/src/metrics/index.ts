export type { Family, Reading } from './instruments.ts';
export { Meters, type Surface } from './meters.ts';
export { measuredBlobs } from './files.ts';
export { meterProcess } from './process.ts';
export { metricsText, metricsType } from './text.ts';
export { CommitTimes } from './times.ts';
