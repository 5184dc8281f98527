import type { House } from './tidy.ts';

/** The house rules of this repository (ARCHITECTURE.md): who may import whom. */
export const house: House = {
  root: 'packages',
  scope: '@holdfast',
  doors: {
    protocol: [],
    engine: ['protocol'],
    server: ['engine', 'protocol'],
    client: ['engine', 'protocol'],
    cli: ['server', 'client', 'dashboard', 'protocol'],
    react: ['client'],
    dashboard: ['client', 'react'],
    conformance: ['protocol'],
  },
  lines: [
    { room: 'engine', folder: 'data', may: [] },
    { room: 'engine', folder: 'registry', may: [] },
    { room: 'engine', folder: 'session', may: [] },
    { room: 'engine', folder: 'election', may: [] },
    { room: 'engine', folder: 'authority', may: ['data'] },
    { room: 'engine', folder: 'replica', may: ['collection', 'data'] },
    { room: 'engine', folder: 'presence', may: [] },
    { room: 'engine', folder: 'undo', may: ['data'] },
    { room: 'engine', folder: 'view', may: ['data'] },
    { room: 'engine', folder: 'record', may: ['data', 'registry'] },
    { room: 'engine', folder: 'collection', may: [] },
    { room: 'engine', folder: 'gate', may: ['collection', 'data', 'record'] },
    { room: 'server', folder: 'storage', may: [] },
    { room: 'server', folder: 'bus', may: [] },
    { room: 'server', folder: 'blobs', may: [] },
    { room: 'server', folder: 'config', may: ['', 'access', 'blobs', 'host', 'webhooks'] },
    { room: 'server', folder: 'tracing', may: [] },
    { room: 'server', folder: 'backup', may: ['blobs', 'storage'] },
    { room: 'server', folder: 'metrics', may: ['blobs'] },
    { room: 'server', folder: 'files', may: ['access', 'blobs', 'storage'] },
    { room: 'server', folder: 'webhooks', may: ['bus', 'storage'] },
    {
      room: 'server',
      folder: 'views',
      may: ['access', 'blobs', 'files', 'host', 'storage'],
    },
    {
      room: 'server',
      folder: 'testing',
      may: ['access', 'blobs', 'bus', 'files', 'host', 'metrics', 'storage', 'views'],
    },
    { room: 'server', folder: 'records', may: ['access', 'files', 'host', 'storage'] },
    { room: 'server', folder: 'access', may: ['storage'] },
    {
      room: 'server',
      folder: 'http',
      may: ['access', 'blobs', 'files', 'metrics', 'storage', 'tracing', 'webhooks'],
    },
    { room: 'server', folder: 'host', may: ['storage', 'bus', 'metrics', 'tracing'] },
    {
      room: 'server',
      folder: 'socket',
      may: ['access', 'files', 'host', 'metrics', 'storage', 'tracing', 'views'],
    },
    { room: 'client', folder: 'link', may: [] },
    { room: 'client', folder: 'cache', may: [] },
    { room: 'client', folder: 'signals', may: [''] },
  ],
  pure: ['protocol', 'engine'],
  portable: ['client'],
};

/** The examples: users of what is published, and of nothing else. */
export const examples: House = {
  root: 'examples',
  scope: '@holdfast',
  doors: {
    chat: ['client', 'react', 'server'],
    kanban: ['client', 'react', 'server'],
    tracker: ['client', 'react', 'protocol', 'server'],
  },
  // What pages take of servers is types, which the bundler sees to.
  lines: [
    { room: 'chat', folder: 'server', may: [] },
    { room: 'kanban', folder: 'server', may: [] },
    { room: 'tracker', folder: 'server', may: ['issue'] },
    { room: 'tracker', folder: 'issue', may: [] },
  ],
  pure: [],
  portable: [],
};

/** The package that stands beside the house, with the tests that need all of it. */
export const annex: House = {
  root: '.',
  scope: '@holdfast',
  doors: { simulation: ['client', 'server', 'protocol'] },
  lines: [],
  pure: [],
  portable: [],
};

/** What stands beside the packages and runs them. */
export const yard: readonly string[] = ['simulation', 'bench', 'tools'];
