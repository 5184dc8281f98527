/** What a tab needs that is not alone: its lines to the one that leads, and what it does for others where it leads itself. */
export { Leading } from './leading.ts';
export { TabLines } from './lines.ts';
