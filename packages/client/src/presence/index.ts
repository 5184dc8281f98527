export { presence, presenceTopic } from '@holdfast/protocol';
export type { PresenceDefinition } from '@holdfast/protocol';
export { presenceHandle, type PresenceHandle } from './handle.ts';
export { joinPresence, type Peer, type Presence, type PresenceStatus } from './topic.ts';
