/** What a file says, and what it said. */
type Edit = { readonly file: string; readonly now: string; readonly was: string };

/** A mistake that a simulation found once, or would have: its switch brings it back. */
export type OldBug = Edit & {
  /** The commit that mended it. */
  readonly mended: string;
  /** What else is otherwise while it is looked for, and breaks nothing by itself, such as a limit that worlds never come to. */
  readonly beside?: Edit;
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
    | 'operators'
    | 'leaps';
  readonly seed: number;
  readonly says: RegExp;
};
