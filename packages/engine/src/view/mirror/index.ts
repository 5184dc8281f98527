export type { Recipe } from './layers.ts';
export { Mirror, type MirrorConfig, type MirrorJoin } from './mirror.ts';
export { type NodeKey, nodeKey } from './names.ts';
export type { UploadPhase } from './uploads.ts';
