export { presence, presenceTopic } from '@holdfast/protocol';
export type { PresenceDefinition } from '@holdfast/protocol';
export { presences } from './handle.ts';
export type { PresencesPlug } from './plug.ts';
export { joinPresence, type Presence, type PresenceStatus } from './topic.ts';
export type { Peer, PresenceHandle } from './types.ts';
