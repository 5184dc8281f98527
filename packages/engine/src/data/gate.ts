import type {
  EpochMs,
  Json,
  Mutate,
  OpId,
  Path,
  Refusal,
  Transaction,
  Write,
} from '@holdfast/protocol';
import type { Intent } from './context.ts';
import type { ImportRequest } from './import.ts';
import type { RollbackRequest } from './rollback.ts';
import type { Change, Tree } from './tree.ts';

/** All objects of a record are to be brought to the version of its definition (records.md §3.5). */
export type MigrateRequest = { readonly op: 'migrate'; readonly record: string };

/** What a client, or an operation of the server, asks of a store. */
export type Asked = Intent | Transaction | RollbackRequest | ImportRequest | MigrateRequest;

/** Whose request it is, where records ask. */
export type Caller = {
  readonly principal: { readonly subject: string | null; readonly [member: string]: unknown };
  /** Whether it may write fields that are no client's (records.md §12). */
  readonly isExempt: boolean;
  /** What is hidden from it of an object (records.md §17); absent: nothing. */
  readonly veil?: {
    /** Its members, and of `more` what would be. */
    hiddenOf(object: Path, value: Json | undefined, more?: readonly string[]): readonly string[];
    /** Whether a member of it is hidden, or would be. */
    hides(object: Path, value: Json | undefined): (field: string) => boolean;
    /** Whether what is at a path may be seen. */
    covers(path: Path): boolean;
  } | null;
};

/** Content that is named, and by which op of a transaction. */
export type NamedFile = { readonly hash: string; readonly size: number; readonly opIndex?: number };

/** Why files may not be named by whoever asks; null: they may (stores.md §14.4). */
export type FileRule = (files: readonly NamedFile[]) => Promise<Refusal | null>;

/** A request, and what it would come to. */
export type Proposal = {
  readonly request: Exclude<Asked, MigrateRequest>;
  /** null: code of the server. */
  readonly caller: Caller | null;
  /** Judges the files that its mutations make; null: they make none. */
  readonly files: FileRule | null;
  readonly at: EpochMs;
  /** The state that it is decided on, and the one after it. */
  readonly before: Tree;
  readonly after: Tree;
  /** The leaves that it writes and removes, in order. */
  readonly changes: readonly Change[];
  /** What was answered to questions about it. */
  readonly advice: Advice;
};

/** Something that only can be answered later; the key names what was asked about: with it the answer still holds. */
export type Question = { readonly key: string; readonly verdict: Promise<Refusal | null> };

/** Verdicts by the keys of their questions. */
export type Advice = ReadonlyMap<string, Refusal | null>;

/** A value that the store's authority writes with a commit, on its own account. */
export type Addition = { readonly path: Path; readonly value: Json };

/** Whether a proposal may be: nothing, or what is added to it; why not; or what has to be asked first. */
export type Ruling = readonly Addition[] | Refusal | Consult;

/** What is to be asked before a request can be decided (records.md §11.3). */
export class Consult {
  readonly questions: readonly Question[];

  constructor(questions: readonly Question[]) {
    this.questions = questions;
  }
}

/** What the records of a store let pass: pure, and the same for every surface (records.md §5, §11.3). */
export type Gate = {
  /** The writes of a named change. */
  mutate(of: {
    readonly tree: Tree;
    readonly request: Mutate;
    readonly caller: Caller | null;
    readonly opId: OpId;
    readonly at: EpochMs;
  }): readonly Write[] | Refusal;
  /** Why a request may not even be decided; null: it may. */
  screen(of: {
    readonly tree: Tree;
    readonly request: Proposal['request'];
    readonly caller: Caller | null;
  }): Refusal | null;
  judge(proposal: Proposal): Ruling;
  /** The writes of a migration, the version included; none where there is nothing to do. */
  migrate(of: {
    readonly tree: Tree;
    readonly request: MigrateRequest;
  }): readonly Write[] | Refusal;
};
