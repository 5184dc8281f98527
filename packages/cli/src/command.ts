import { parseArgs as tokenize } from 'node:util';
import { type ArgsDef, type CommandDef, parseArgs, renderUsage } from 'citty';
import type { CompletableOption } from './completion.ts';
import { misuse } from './failure.ts';
import { nearest } from './nearest.ts';
import { Output } from './output.ts';
import type { Terminal } from './terminal.ts';

type ArgOf<Definition> = Definition extends { readonly type: 'boolean' }
  ? boolean
  : Definition extends { readonly default: string } | { readonly required: true }
    ? string
    : Definition extends { readonly type: 'positional'; readonly required?: never }
      ? string
      : string | undefined;

/** The arguments that a command's definitions describe. */
export type Args<Definitions extends ArgsDef> = {
  readonly [Name in keyof Definitions]: ArgOf<Definitions[Name]>;
};

/** What a run has beside its arguments. */
export type Surroundings = { readonly output: Output; readonly terminal: Terminal };

/** One command: what it is called with, and what it does. */
export type Command = {
  readonly summary: string;
  /** What a shell can offer to complete: its options, and what its first argument may be where the hint lists that. */
  readonly options: readonly CompletableOption[];
  readonly words: readonly string[];
  run(rawArgs: readonly string[], terminal: Terminal): Promise<void>;
  usage(name: string): Promise<string>;
};

/** Every command takes this. */
export const commonArgs = {
  json: { type: 'boolean', description: 'JSON lines, also on a terminal (the default when piped)' },
} as const;

/** Makes a command. Unknown options, missing values and surplus arguments are refused before `run`. */
export function defineCommand<const Definitions extends ArgsDef>(definition: {
  readonly summary: string;
  readonly args: Definitions;
  readonly examples?: readonly string[];
  readonly run: (args: Args<Definitions>, around: Surroundings) => Promise<void>;
}): Command {
  const { summary, args, examples = [], run } = definition;
  const definitions: ArgsDef = { ...args, ...commonArgs };
  return {
    summary,
    ...completableOf(definitions),
    async run(rawArgs, terminal) {
      const safe = shelterNegatives(rawArgs, definitions);
      check(safe, definitions);
      const parsed = readArgs(safe, definitions);
      const output = new Output(terminal, { json: parsed['json'] === true });
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- read by these very definitions
      await run(parsed as Args<Definitions>, { output, terminal });
    },
    async usage(name) {
      const described: CommandDef = {
        meta: { name: `holdfast ${name}`, description: summary },
        args: definitions,
      };
      const text = (await renderUsage(described)).trimEnd();
      if (examples.length === 0) return text;
      return [text, '', 'EXAMPLES', '', ...examples.map((example) => `  ${example}`)].join('\n');
    },
  };
}

function completableOf(definitions: ArgsDef): Pick<Command, 'options' | 'words'> {
  const all = Object.entries(definitions);
  const options = all.flatMap(([name, { type, valueHint, description = '' }]) => {
    if (type === 'positional') return [];
    const takes = type === 'boolean' ? 'nothing' : takenBy(valueHint);
    return [{ name, summary: description, takes } as const];
  });
  const first = all.find(([, { type }]) => type === 'positional')?.[1].valueHint ?? '';
  return { options, words: first.includes('|') ? first.split('|') : [] };
}

function takenBy(hint = ''): 'file' | 'directory' | 'text' {
  if (hint === 'FILE') return 'file';
  return hint === 'DIR' ? 'directory' : 'text';
}

/** Whether the raw arguments ask for JSON; known before they are read, so that a misuse can be told in JSON. */
export function asksForJson(rawArgs: readonly string[]): boolean {
  const end = rawArgs.indexOf('--');
  return (end < 0 ? rawArgs : rawArgs.slice(0, end)).includes('--json');
}

/** A negative number is a value, not a cluster of short options; behind `--` it is taken for one. */
function shelterNegatives(rawArgs: readonly string[], definitions: ArgsDef): readonly string[] {
  const end = rawArgs.indexOf('--');
  const options = end < 0 ? rawArgs : rawArgs.slice(0, end);
  const behind = end < 0 ? [] : rawArgs.slice(end + 1);
  const isNegative = (arg: string, index: number): boolean =>
    /^-\.?\d/.test(arg) && !takesValue(rawArgs[index - 1], definitions);
  const negatives = options.filter(isNegative);
  if (negatives.length === 0) return rawArgs;
  return [
    ...options.filter((arg, index) => !isNegative(arg, index)),
    '--',
    ...negatives,
    ...behind,
  ];
}

function takesValue(arg: string | undefined, definitions: ArgsDef): boolean {
  return arg?.startsWith('--') === true && definitions[arg.slice(2)]?.type === 'string';
}

function check(rawArgs: readonly string[], definitions: ArgsDef): void {
  const options = Object.fromEntries(
    Object.entries(definitions).flatMap(([name, { type }]) =>
      type === 'string' || type === 'boolean' ? [[name, { type }]] : [],
    ),
  );
  const { tokens, positionals } = tokenize({
    args: [...rawArgs],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === 'option') checkOption(token, definitions);
  }
  const places = Object.values(definitions).filter(({ type }) => type === 'positional').length;
  const surplus = positionals[places];
  if (surplus !== undefined) {
    throw misuse(
      `There is one argument too many: ${surplus}`,
      'Put values with spaces or JSON in single quotes; --help shows which arguments there are.',
    );
  }
}

type OptionToken = {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
};

function checkOption(token: OptionToken, definitions: ArgsDef): void {
  const { name, rawName, value, inlineValue = false } = token;
  const type = rawName.startsWith('--') ? optionType(name, definitions) : null;
  if (type === null) {
    throw misuse(
      `There is no option ${rawName}.`,
      rawName.startsWith('--')
        ? suggestion(name, definitions)
        : 'What begins with a dash and is no option goes behind --: put demo/main -- -x 5',
    );
  }
  if (type === 'boolean' && inlineValue) throw misuse(`${rawName} takes no value.`);
  const isMissing = value === undefined || (!inlineValue && value.startsWith('--'));
  if (type === 'string' && isMissing) throw misuse(`${rawName} needs a value.`);
}

function optionType(name: string, definitions: ArgsDef): 'string' | 'boolean' | null {
  const type = Object.hasOwn(definitions, name) ? definitions[name]?.type : undefined;
  if (type === 'string' || type === 'boolean') return type;
  const isNegation = name.startsWith('no-') && optionType(name.slice(3), definitions) === 'boolean';
  return isNegation ? 'boolean' : null;
}

function suggestion(name: string, definitions: ArgsDef): string {
  const known = Object.keys(definitions).filter((each) => optionType(each, definitions) !== null);
  const near = nearest(name, known);
  return near === undefined ? 'Add --help to see all options.' : `Did you mean --${near}?`;
}

function readArgs(rawArgs: readonly string[], definitions: ArgsDef): Record<string, unknown> {
  const parsed = parseArgs([...rawArgs], definitions);
  return Object.fromEntries(
    Object.entries(definitions).map(([name, { type }]) => {
      const value: unknown = parsed[name];
      return [name, type === 'boolean' ? value === true : value];
    }),
  );
}
