export type { Recipe } from './layers.ts';
export { Mirror, type MirrorConfig, type MirrorJoin, type UploadReader } from './mirror.ts';
export { type NodeKey, nodeKey } from './names.ts';
export { childMark, placed } from './placed.ts';
