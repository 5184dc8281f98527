export { Files, type FileLabel, type FilePlaceFound, type FileVerdict, mayRead } from './files.ts';
export { FileTooLarge, type KeptContent, type PieceOutcome } from './intake.ts';
