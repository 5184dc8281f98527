export {
  Files,
  type FileLabel,
  type FilePlaceFound,
  type FileVerdict,
  mayRead,
  mayWrite,
  toldTo,
} from './files.ts';
export { hiddenBy } from './hidden.ts';
export { type KeptContent, type PieceOutcome } from './intake.ts';
export { sweepLeftovers } from './leftovers.ts';
