export type { Tongue } from './tongue.ts';
export type { Check } from './check.ts';
export { checks } from './checks.ts';
export { type Options, type Progress, type Result, run, type Summary } from './run.ts';
