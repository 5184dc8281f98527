export { LiveSet } from './live-set.ts';
