import { stripVTControlCharacters } from 'node:util';
import { explainErrors } from '@holdfast/protocol';
import { asksForJson, type Command } from './command.ts';
import { commands, type Entry, sections } from './commands.ts';
import { exitCodes, exitCodeText } from './exit-codes.ts';
import { failureOf, misuse } from './failure.ts';
import { nearest } from './nearest.ts';
import { Output, tame } from './output.ts';
import { processTerminal, type Terminal } from './terminal.ts';
import { version } from './version.ts';

/** Runs one command line and returns its exit code. Whatever goes wrong is told on standard error. */
export async function run(
  rawArgs: readonly string[],
  terminal: Terminal = processTerminal(),
): Promise<number> {
  explainErrors();
  const output = new Output(terminal, { json: asksForJson(rawArgs) });
  try {
    await dispatch(rawArgs, { output, terminal });
    return exitCodes.ok.exit;
  } catch (error) {
    const failure = failureOf(error);
    output.failure(failure);
    if ((terminal.env['HOLDFAST_DEBUG'] ?? '') !== '' && error instanceof Error) {
      terminal.stderr.write(`${tame(error.stack ?? '')}\n`);
    }
    return exitCodes[failure.outcome].exit;
  }
}

type Around = { readonly output: Output; readonly terminal: Terminal };

async function dispatch(rawArgs: readonly string[], around: Around): Promise<void> {
  const { output, terminal } = around;
  const [first, ...rest] = rawArgs;
  if (first === '--version' || first === '-v') return output.text(version());
  if (first === undefined || first === '--help' || first === '-h') return output.text(overview());
  if (first === 'help') return help(rest, around);
  const { name, command, args } = await find(rawArgs);
  if (asksForHelp(args)) return output.text(await usageOf(name, command, output));
  try {
    await command.run(args, terminal);
  } catch (error) {
    throw misread(error, name);
  }
}

/** What is missing or too much is told with where to look it up; citty does not export its error. */
function misread(error: unknown, name: string): unknown {
  const isMisread = error instanceof Error && error.name === 'CLIError';
  return isMisread ? misuse(error.message, `"holdfast help ${name}" shows its arguments.`) : error;
}

async function help(topic: readonly string[], { output }: Around): Promise<void> {
  if (topic.length === 0) return output.text(overview());
  if (topic[0] === 'exit-codes') return output.text(exitCodeText());
  const { name, command } = await find(topic);
  return output.text(await usageOf(name, command, output));
}

async function usageOf(name: string, command: Command, output: Output): Promise<string> {
  const text = await command.usage(name);
  return output.paint.isColorSupported ? text : stripVTControlCharacters(text);
}

type Found = { readonly name: string; readonly command: Command; readonly args: readonly string[] };

async function find(rawArgs: readonly string[]): Promise<Found> {
  const [first = '', second = ''] = rawArgs;
  const pair = commands.get(`${first} ${second}`);
  const entry = pair ?? commands.get(first);
  if (entry === undefined || (pair === undefined && isSlip(first, second))) {
    throw unknownCommand(first, second);
  }
  const words = pair === undefined ? 1 : 2;
  return {
    name: rawArgs.slice(0, words).join(' '),
    command: await entry.load(),
    args: rawArgs.slice(words),
  };
}

function unknownCommand(first: string, second: string): Error {
  if (first.startsWith('-')) {
    return misuse(
      `There is no command "${first}".`,
      'Options go behind the command: get demo/main users/ann --json',
    );
  }
  const members = membersOf(first);
  const member = nearest(second, members);
  if (member !== undefined && second !== '') {
    return misuse(
      `There is no command "${first} ${second}".`,
      `Did you mean "${first} ${member}"? "holdfast help" lists them all.`,
    );
  }
  if (members.length > 0) {
    return misuse(
      `There is no command "${`${first} ${second}`.trim()}".`,
      `There are: ${members.map((each) => `${first} ${each}`).join(', ')}.`,
    );
  }
  const names = [...commands.keys()];
  const near = nearest(first, names) ?? names.find((name) => name.startsWith(first.slice(0, 3)));
  const hint = near === undefined ? '' : `Did you mean "${near}"? `;
  return misuse(`There is no command "${first}".`, `${hint}"holdfast help" lists them all.`);
}

/** What a command can be told to do: `create` and others of `stores`. */
function membersOf(first: string): readonly string[] {
  const start = `${first} `;
  const names = [...commands.keys()].filter((name) => name.startsWith(start));
  return names.map((name) => name.slice(start.length));
}

/** Whether what follows a command is no argument, as a store would be, but nearly what it can be told to do. */
function isSlip(first: string, second: string): boolean {
  return /^[a-z]{3,}$/.test(second) && nearest(second, membersOf(first)) !== undefined;
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  const options = end < 0 ? args : args.slice(0, end);
  return options.includes('--help') || options.includes('-h');
}

function overview(): string {
  const width = Math.max(...[...commands.keys()].map((name) => name.length));
  const line = ([name, { summary }]: readonly [string, Entry]): string =>
    `  ${name.padEnd(width)}  ${summary}`;
  const lists = sections.map(
    ({ title, entries }) => `${title}\n${Object.entries(entries).map(line).join('\n')}`,
  );
  return [
    `holdfast ${version()}: live state between servers, browsers and agents`,
    'Usage: holdfast COMMAND [ARGUMENTS] [OPTIONS]',
    ...lists,
    [
      'More',
      `  ${'help COMMAND'.padEnd(width)}  Arguments, options and examples of a command`,
      `  ${'help exit-codes'.padEnd(width)}  What the exit codes mean`,
    ].join('\n'),
    'Commands find their server by --url and --token, or HOLDFAST_URL and HOLDFAST_TOKEN.',
  ].join('\n\n');
}
