import { Scope } from '@holdfast/engine/data';
import { Veil } from '@holdfast/engine/gate';
import { asGlob, type Glob, type Path, type Pattern, patternsOf } from '@holdfast/protocol';
import { scopeHash, sourcesOf } from '../access/index.ts';

/** The part of a store that a channel has: its patterns, and of what they cover the leaves that may be read (stores.md §10.4.1). */
export type ChannelScope = {
  readonly patterns: readonly Glob[];
  /** Stands for patterns and read rules: channels and replicas of equal hashes hold the same leaves. */
  readonly hash: string;
  /** Stands for the leaves alone: channels of equal ones are told the same, whatever else they might read. */
  readonly told: string;
  readonly leaves: Scope;
  /** What records hide of them, as the values are; null: nothing. */
  readonly veil: Veil | null;
};

/** The patterns of a whole store. */
export const everything: readonly Glob[] = [asGlob('**')];

/** The scope of a channel with these patterns, whose principal may read no more than the rules allow. */
export function channelScope(globs: readonly Glob[], readable: Scope): ChannelScope {
  const patterns = [...new Set(globs)];
  const asked = new Scope(patterns.map(patternOf));
  const leaves = asked.within(readable);
  const veil = leaves.bounds.find((bound) => bound instanceof Veil) ?? null;
  const hash = scopeHash(asked, readable);
  return {
    patterns,
    hash,
    told: leaves.bounds.length > readable.bounds.length ? hash : toldOf(leaves),
    leaves,
    veil,
  };
}

/** A scope as its client names it; where something may be hidden, with the name of what is known of that client. */
export function scopeName({ hash }: ChannelScope, account?: { readonly name: string }): string {
  return account === undefined ? hash : `${hash}~${account.name}`;
}

/** The hash that such a name begins with. */
export function hashIn(name: string): string {
  return name.split('~', 1).join('');
}

/** The account that such a name ends with. */
export function accountIn(name: string | null): string | null {
  return name?.split('~')[1] ?? null;
}

/** What of the patterns can match nothing that may be read. */
export function unreadable(patterns: readonly Glob[], readable: Scope): readonly Glob[] {
  return patterns.filter((glob) => !readable.meets(patternOf(glob)));
}

/** Patterns have been read from the wire: what does not parse is a bug. */
export function patternOf(glob: Glob): Pattern {
  const [pattern] = patternsOf([glob]);
  if (pattern === undefined) throw new TypeError(`"${glob}" is no pattern.`);
  return pattern;
}

function toldOf(leaves: Scope): string {
  return JSON.stringify([sourcesOf(leaves), leaves.bounds.map(({ name }) => name)]);
}

/** The scope pattern of a path and all below it. */
export function globUnder(path: Path): Glob {
  const pieces = path.split('/').map((piece) => (/^\*{1,2}$/.test(piece) ? `\\${piece}` : piece));
  return asGlob(`${pieces.join('/')}/**`);
}

/** What some patterns cover of what a channel has; null where that is nothing. */
export function partOf(
  { leaves, veil, hash }: ChannelScope,
  all: readonly Glob[],
): ChannelScope | null {
  const globs = all.filter((glob) => leaves.meets(patternOf(glob)));
  if (globs.length === 0) return null;
  const part = new Scope(globs.map(patternOf)).within(leaves);
  const name = `${hash} ${JSON.stringify(globs)}`;
  return { patterns: globs, hash: name, told: name, leaves: part, veil };
}
