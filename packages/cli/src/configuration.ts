import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ServerOptions } from '@holdfast/server';
import {
  ConfigError,
  type Effective,
  optionsOf,
  resolveConfig,
  type Sources,
} from '@holdfast/server/config';
import { misuse } from './failure.ts';
import type { Terminal } from './terminal.ts';

/** The options of commands that read the configuration of a server. Options win over variables, variables over the file. */
export const configurationArgs = {
  config: {
    type: 'string',
    valueHint: 'FILE',
    description:
      'Configuration (HOLDFAST_CONFIG; default holdfast.config.ts, .mts, .js or .mjs here)',
  },
  host: {
    type: 'string',
    valueHint: 'HOST',
    description: 'Address to listen on (default 127.0.0.1); 0.0.0.0 is all. Put TLS in front of it',
  },
  port: {
    type: 'string',
    valueHint: 'PORT',
    description: 'Port (default 4400); 0 picks a free one',
  },
  data: {
    type: 'string',
    valueHint: 'DIR',
    description: 'Where the data is kept (default ./data)',
  },
  origin: {
    type: 'string',
    valueHint: 'ORIGINS',
    description:
      'Web pages that may connect besides its own, as https://a.example,https://b.example',
  },
  'log-level': {
    type: 'string',
    valueHint: 'LEVEL',
    description: 'The least that is logged: info (default), error or silent',
  },
} as const;

type ConfigurationArgs = {
  readonly [Name in keyof typeof configurationArgs]: string | undefined;
};

/** The setting that each option is for. */
const keys = {
  host: 'host',
  port: 'port',
  data: 'data',
  origin: 'origins',
  'log-level': 'log.level',
} as const;

const fileNames = ['ts', 'mts', 'js', 'mjs'].map((extension) => `holdfast.config.${extension}`);

/** The configuration in force; what is wrong with it is the caller's to mend. */
export async function readConfiguration(
  args: ConfigurationArgs,
  { env }: Terminal,
): Promise<Effective> {
  const path = fileOf(args.config ?? env['HOLDFAST_CONFIG']);
  const sources: Sources = {
    env,
    flags: flagsOf(args),
    ...(path !== null && { file: { path, config: await load(path) } }),
  };
  return told(async () => resolveConfig(sources));
}

/** What a configuration makes of a server; what is wrong with it is the caller's to mend. */
export function readOptions(configuration: Effective): Promise<ServerOptions> {
  return told(() => optionsOf(configuration));
}

async function told<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw misuse(error.message, '"holdfast config" shows every setting and where it comes from.');
  }
}

function flagsOf(args: ConfigurationArgs): NonNullable<Sources['flags']> {
  const flags: Record<string, { name: string; text: string }> = {};
  for (const [option, key] of Object.entries(keys)) {
    const text = Object.entries(args).find(([name]) => name === option)?.[1];
    if (text !== undefined) flags[key] = { name: `--${option}`, text };
  }
  return flags;
}

function fileOf(given: string | undefined): string | null {
  if (given === undefined || given === '') {
    return fileNames.map((name) => resolve(name)).find((path) => existsSync(path)) ?? null;
  }
  const path = resolve(given);
  if (existsSync(path)) return path;
  throw misuse(`There is no configuration ${path}.`, 'Check --config and HOLDFAST_CONFIG.');
}

async function load(path: string): Promise<unknown> {
  if (/\.m?ts$/.test(path) && process.features.typescript === false) {
    throw misuse(
      `This Node.js (${process.versions.node}) cannot read ${path}.`,
      'Use Node.js 22.18 or newer, or write it as holdfast.config.mjs.',
    );
  }
  try {
    const module: unknown = await import(pathToFileURL(path).href);
    return typeof module === 'object' && module !== null && 'default' in module
      ? module.default
      : undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw misuse(
      `${path} cannot be read: ${why}`,
      'It exports the configuration by default: export default { port: 4400 };',
    );
  }
}
