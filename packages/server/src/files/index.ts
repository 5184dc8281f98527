export {
  Files,
  type FileLabel,
  type FilePlaceFound,
  type FileVerdict,
  mayRead,
  mayWrite,
} from './files.ts';
export { sightOf } from './hidden.ts';
export { type KeptContent, type PieceOutcome } from './intake.ts';
export { sweepLeftovers } from './leftovers.ts';
