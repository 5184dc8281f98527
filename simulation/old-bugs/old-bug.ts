/** A mistake that a simulation found once, or would have: its switch brings it back. */
export type OldBug = {
  /** The commit that mended it. */
  readonly mended: string;
  readonly file: string;
  /** What the file says since, and what it said. */
  readonly now: string;
  readonly was: string;
  /** The worlds that find it, under a seed; and what they say. */
  readonly worlds:
    | 'machines'
    | 'authorities'
    | 'counts'
    | 'hosts'
    | 'past'
    | 'files'
    | 'parts'
    | 'views'
    | 'records'
    | 'collections'
    | 'open'
    | 'tabs'
    | 'takeovers'
    | 'denials'
    | 'windows'
    | 'packs'
    | 'anew'
    | 'uploads'
    | 'upgrades'
    | 'edits'
    | 'edits of tabs'
    | 'presence'
    | 'deploys'
    | 'browsers'
    | 'rights'
    | 'locks'
    | 'operators';
  readonly seed: number;
  readonly says: RegExp;
};
