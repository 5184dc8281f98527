export type { HttpDeps, Readiness, StoreFigures } from './deps.ts';
export { createHttp } from './http.ts';
