import type { Authenticate } from '../access/index.ts';
import type { Value } from './kinds.ts';
import { type Setting, settings, variableOf } from './settings.ts';

/** Where a value comes from: the later the more it counts. */
export type Origin = 'default' | 'file' | 'env' | 'flag';

/** A setting as it is in force; `place` names the file, the variable or the flag. */
export type Resolved = {
  readonly setting: Setting;
  readonly value: Value | null;
  readonly origin: Origin;
  readonly place: string | null;
};

/** What is configured, and where. */
export type Sources = {
  /** What a configuration file exports, and how to name the file. */
  readonly file?: { readonly path: string; readonly config: unknown };
  readonly env?: { readonly [name: string]: string | undefined };
  /** By the key of the setting: the flag and what was given with it. */
  readonly flags?: { readonly [key: string]: { readonly name: string; readonly text: string } };
};

/** A setting that is unknown, or whose value will not do; the message names it and where it was found. */
export class ConfigError extends Error {
  readonly key: string;
  readonly place: string;

  constructor(key: string, place: string, what: string) {
    super(what);
    this.name = 'ConfigError';
    this.key = key;
    this.place = place;
  }
}

/** All settings in force: flags before environment before file before defaults. */
export class Effective {
  readonly settings: readonly Resolved[];
  /** From the file; functions have no other way in. */
  readonly authenticate: Authenticate | null;

  constructor(resolved: readonly Resolved[], authenticate: Authenticate | null) {
    this.settings = resolved;
    this.authenticate = authenticate;
  }

  /** The value of a setting; null where it has none. */
  get(key: string): Value | null {
    const found = this.settings.find(({ setting }) => setting.key === key);
    if (found === undefined) throw new TypeError(`There is no setting "${key}".`);
    return found.value;
  }

  /** What is set below a group; what has no value is left out. */
  group(name: string): { readonly [key: string]: Value } {
    const within = this.settings.filter(({ setting }) => setting.key.startsWith(`${name}.`));
    return Object.fromEntries(
      within.flatMap(({ setting: { key }, value }) =>
        value === null ? [] : [[key.slice(name.length + 1), value]],
      ),
    );
  }
}

/** Reads all sources; throws {@link ConfigError} for the first fault. */
export function resolveConfig({ file, env = {}, flags = {} }: Sources): Effective {
  refuseUnknownVariables(env);
  const { values, authenticate } = file === undefined ? nothing : readFile(file);
  const resolved = settings.map((setting): Resolved => {
    const { key } = setting;
    const flag = flags[key];
    if (flag !== undefined) return fromText(setting, 'flag', flag);
    const variable = variableOf(setting);
    const text = env[variable];
    if (text !== undefined && text !== '' && !isServiceLink(text)) {
      return fromText(setting, 'env', { name: variable, text });
    }
    const value = values.get(key);
    if (value !== undefined && file !== undefined) {
      return { setting, value, origin: 'file', place: file.path };
    }
    return { setting, value: setting.fallback, origin: 'default', place: null };
  });
  refuseTwoPlaces(resolved);
  refuseHalves(resolved);
  return new Effective(resolved, authenticate);
}

function fromText(
  setting: Setting,
  origin: Origin,
  { name, text }: { readonly name: string; readonly text: string },
): Resolved {
  const value = setting.kind.fromText(text);
  if (value === undefined) throw misfit(setting, name, text);
  return { setting, value, origin, place: name };
}

function misfit({ key, kind, isSecret }: Setting, place: string, given: unknown): ConfigError {
  const shown = isSecret ? '' : `, not ${JSON.stringify(given) ?? typeof given}`;
  const where = place === key ? '' : ` (${place})`;
  return new ConfigError(key, place, `${key}${where} must be ${kind.expected}${shown}.`);
}

type FileValues = {
  readonly values: ReadonlyMap<string, Value>;
  readonly authenticate: Authenticate | null;
};

const nothing: FileValues = { values: new Map(), authenticate: null };

function readFile({ path, config }: NonNullable<Sources['file']>): FileValues {
  if (!isRecord(config)) {
    throw new ConfigError('default', path, `${path} must export an object by default.`);
  }
  const { authenticate = null, ...rest } = config;
  if (authenticate !== null && !isAuthenticate(authenticate)) {
    throw new ConfigError('authenticate', path, `authenticate (${path}) must be a function.`);
  }
  const values = new Map<string, Value>();
  for (const [key, given] of leavesOf(rest, '')) {
    const setting = settings.find((each) => each.key === key);
    if (setting === undefined) throw unknown(key, path);
    const value = setting.kind.fromFile(given);
    if (value === undefined) throw misfit(setting, path, given);
    values.set(key, value);
  }
  return { values, authenticate };
}

/** Every setting that an object names, groups within groups; undefined is as if it were not there. */
function* leavesOf(group: Group, prefix: string): Generator<readonly [string, unknown]> {
  for (const [name, value] of Object.entries(group)) {
    const key = `${prefix}${name}`;
    if (value === undefined) continue;
    const isGroup = settings.some((each) => each.key.startsWith(`${key}.`));
    if (!isGroup) yield [key, value];
    else if (isRecord(value)) yield* leavesOf(value, `${key}.`);
    else throw new ConfigError(key, key, `${key} must be an object.`);
  }
}

type Group = { readonly [name: string]: unknown };

function isRecord(value: unknown): value is Group {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isAuthenticate(value: unknown): value is Authenticate {
  return typeof value === 'function';
}

function unknown(key: string, place: string): ConfigError {
  const last = key.slice(key.lastIndexOf('.') + 1).toLowerCase();
  const near = settings.find((each) => each.key.toLowerCase().includes(last));
  const hint = near === undefined ? '' : ` Did you mean ${near.key}?`;
  return new ConfigError(key, place, `There is no setting "${key}" (${place}).${hint}`);
}

/** Variables of the command, which are no settings of a server. */
const otherVariables = new Set([
  'HOLDFAST_URL',
  'HOLDFAST_TOKEN',
  'HOLDFAST_DEBUG',
  'HOLDFAST_CONFIG',
]);
/** Kubernetes tells every container of the services around it; one named `holdfast` looks like settings. */
const serviceVariable = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)$/;

function isServiceLink(text: string): boolean {
  return /^(tcp|udp):\/\//.test(text);
}

function refuseUnknownVariables(env: NonNullable<Sources['env']>): void {
  const known = new Set(settings.map(variableOf));
  for (const name of Object.keys(env)) {
    if (!name.startsWith('HOLDFAST_') || known.has(name) || otherVariables.has(name)) continue;
    if (serviceVariable.test(name)) continue;
    const near = [...known].find((each) => each.startsWith(name) || name.startsWith(each));
    const hint = near === undefined ? '' : ` Did you mean ${near}?`;
    throw new ConfigError(name, name, `There is no setting for the variable ${name}.${hint}`);
  }
}

/** Files are kept in one place. */
function refuseTwoPlaces(resolved: readonly Resolved[]): void {
  const set = resolved.filter(({ origin }) => origin !== 'default');
  const s3 = set.find(({ setting }) => setting.key.startsWith('files.s3.'));
  if (s3 === undefined) return;
  const { key } = s3.setting;
  const has = (name: string): boolean => set.some(({ setting }) => setting.key === name);
  if (has('files.directory')) {
    throw new ConfigError(key, key, `files.directory and ${key} exclude each other.`);
  }
  if (!has('files.s3.bucket')) {
    throw new ConfigError('files.s3.bucket', key, `${key} needs files.s3.bucket.`);
  }
}

/** A token for nothing, nobody for the orgs, or half a key. */
function refuseHalves(resolved: readonly Resolved[]): void {
  const set = (name: string): boolean =>
    resolved.some(({ setting, origin }) => setting.key === name && origin !== 'default');
  for (const [key, needs] of [
    ['admin.token', 'admin.orgs'],
    ['admin.orgs', 'admin.token'],
    ['files.s3.accessKeyId', 'files.s3.secretAccessKey'],
    ['files.s3.secretAccessKey', 'files.s3.accessKeyId'],
  ] as const) {
    if (set(key) && !set(needs)) throw new ConfigError(needs, key, `${key} needs ${needs}.`);
  }
}
