import type { Json } from '@holdfast/protocol';
import { misuse } from './failure.ts';
import { readInput, type Terminal } from './terminal.ts';

/** How a value is given on the command line. */
export const valueArgs = {
  string: { type: 'boolean', description: 'VALUE is text, not JSON' },
} as const;

/** A value from the command line: JSON, or text with `--string`; `-` is standard input. */
export async function readValue(
  args: { readonly value: string; readonly string: boolean },
  terminal: Terminal,
): Promise<Json> {
  const text = args.value === '-' ? await readInput(terminal) : args.value;
  if (args.string) return text;
  if (args.value === '-' && text.trim() === '') {
    throw misuse(
      'Standard input is empty.',
      'Did the program before the pipe fail? Empty text is --string.',
    );
  }
  return readJson(text, 'Text that is not JSON needs --string, or JSON quotes: \'"text"\'.');
}

/** JSON text as a value. */
export function readJson(text: string, hint: string): Json {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JSON.parse returns is JSON
    return JSON.parse(text) as Json;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw misuse(`The value is not JSON (${why}).`, hint);
  }
}

const unitsMs: { readonly [unit: string]: number } = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A hundred years: what is to last longer has no end. */
const durationMsMax = 36_500 * 86_400_000;

/** A duration such as `500ms`, `30s`, `5m`, `1h`, `7d`, in milliseconds. */
export function readDuration(text: string, option: string): number {
  const [, digits, unit = 'ms'] = /^(\d{1,12})(ms|s|m|h|d)?$/.exec(text) ?? [];
  const ms = Number(digits) * (unitsMs[unit] ?? Number.NaN);
  if (ms > 0 && ms <= durationMsMax) return ms;
  throw misuse(
    `${option} must be a duration such as 30s, 5m, 1h or 7d, at most 36500d, not "${text}".`,
  );
}

/** A whole number within bounds. */
export function readInteger(
  text: string,
  option: string,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: { readonly min?: number; readonly max?: number } = {},
): number {
  const number = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  throw misuse(`${option} must be a whole number ${range}, not "${text}".`);
}

/** The same for an option that may be absent. */
export function readOptional<T>(
  text: string | undefined,
  read: (text: string) => T,
): T | undefined {
  return text === undefined ? undefined : read(text);
}

/** The members of a comma-separated list. */
export function readList(text: string): readonly string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

/** The same for a list whose absence means all: one that is given and empty, as of a variable that is not set, is not to. */
export function readSome(text: string, option: string, absence: string): readonly string[] {
  const list = readList(text);
  if (list.length > 0) return list;
  throw misuse(`${option} is an empty list.`, `Without it ${absence}.`);
}
