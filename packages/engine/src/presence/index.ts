export { type MirroredPeer, nameOfPeer, PresenceMirror } from './mirror.ts';
export { readNodeMessage } from './node-message.ts';
export { Roster } from './roster.ts';
export type {
  Attendee,
  NodeMessage,
  Presence,
  RosterDescription,
  RosterEffect,
  RosterInput,
} from './types.ts';
