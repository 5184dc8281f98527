import { parseStoreName } from '@holdfast/protocol';
import { browserOrigin } from '../access/origin.ts';

/** What a setting can be. */
export type Value = string | number | boolean | readonly string[];

/** How a setting is written, in a file and as text. Both readers answer undefined for what will not do. */
export type Kind = {
  /** In words, behind "must be". */
  readonly expected: string;
  fromText(text: string): Value | undefined;
  fromFile(value: unknown): Value | undefined;
};

/** Text that is not empty. */
export const text: Kind = {
  expected: 'text',
  fromText: (given) => (given === '' ? undefined : given),
  fromFile: (value) => (typeof value === 'string' && value !== '' ? value : undefined),
};

const words: { readonly [word: string]: boolean } = {
  true: true,
  on: true,
  yes: true,
  '1': true,
  false: false,
  off: false,
  no: false,
  '0': false,
};

/** Yes or no. */
export const flag: Kind = {
  expected: 'true or false',
  fromText: (given) => (Object.hasOwn(words, given) ? words[given] : undefined),
  fromFile: (value) => (typeof value === 'boolean' ? value : undefined),
};

/** Any number of texts; as text, with commas between. */
export const list: Kind = {
  expected: 'a list, such as "a,b" or ["a", "b"]',
  fromText: (given) =>
    given
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== ''),
  fromFile: (value) => (isTexts(value) ? value : undefined),
};

/** Origins of web pages, as browsers write them; any other spelling would never be met. */
export const origins: Kind = {
  expected:
    'a list of origins as browsers write them, such as https://app.example.org, without a path',
  fromText: (given) => fittingOrigins(list.fromText(given)),
  fromFile: (value) => fittingOrigins(list.fromFile(value)),
};

function fittingOrigins(value: Value | undefined): Value | undefined {
  return isTexts(value) && value.every((each) => browserOrigin(each) === each) ? value : undefined;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

/** What nobody guesses, and what travels in a URL as it is. */
export const longSecret: Kind = {
  expected: '32 to 512 letters, digits, "-", "_", "." or "~", such as `openssl rand -hex 32` makes',
  fromText: (given) => (/^[\w.~-]{32,512}$/.test(given) ? given : undefined),
  fromFile: (value) => (typeof value === 'string' ? longSecret.fromText(value) : undefined),
};

/** Names of orgs, one at least. */
export const orgs: Kind = {
  expected: 'a list of one or more names of orgs, such as "acme"',
  fromText: (given) => fittingOrgs(list.fromText(given)),
  fromFile: (value) => fittingOrgs(list.fromFile(value)),
};

function fittingOrgs(value: Value | undefined): Value | undefined {
  if (!isTexts(value) || value.length === 0) return undefined;
  return value.every((each) => parseStoreName(`${each}/app`) !== null) ? value : undefined;
}

/** A whole number within bounds. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Kind {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  const fits = (value: unknown): number | undefined =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
      ? value
      : undefined;
  return {
    expected: `a whole number ${range}`,
    fromText: (given) => (/^\d{1,16}$/.test(given) ? fits(Number(given)) : undefined),
    fromFile: fits,
  };
}

const unitsMs: { readonly [unit: string]: number } = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds, or a text with a unit. */
export const duration: Kind = {
  expected: 'a duration such as 500ms, 30s, 5m, 1h or 30d',
  fromText: readDuration,
  fromFile: (value) =>
    typeof value === 'string' ? readDuration(value) : integer(1).fromFile(value),
};

function readDuration(given: string): number | undefined {
  const [, digits, unit = 'ms'] = /^(\d{1,12})(ms|s|m|h|d)?$/.exec(given) ?? [];
  const ms = Number(digits) * (unitsMs[unit] ?? Number.NaN);
  return Number.isSafeInteger(ms) && ms > 0 ? ms : undefined;
}

/** One of some words. */
export function choice(...choices: readonly string[]): Kind {
  const fits = (value: unknown): string | undefined => choices.find((each) => each === value);
  return { expected: `one of ${choices.join(', ')}`, fromText: fits, fromFile: fits };
}

/** The same, or `false`: not at all. */
export function orOff(kind: Kind): Kind {
  return {
    expected: `${kind.expected}, or false`,
    fromText: (given) => (words[given] === false && given !== '0' ? false : kind.fromText(given)),
    fromFile: (value) => (value === false ? false : kind.fromFile(value)),
  };
}
