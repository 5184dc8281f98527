import { randomUUID } from 'node:crypto';
import type { Check } from './check.ts';
import type { Tongue } from './tongue.ts';
import { checks } from './checks.ts';
import { Stage, type Setting } from './stage.ts';

/** What a run needs to know. */
export type Options = {
  /** Where the server listens: `http://…` or `ws://…`, without the path of the socket. */
  readonly url: string;
  /** A token that may read and write the store. */
  readonly token: string;
  /** `org/name` of a store that exists, and to which nobody else writes meanwhile. */
  readonly store: string;
  /** A token that may only read; without one the checks that need it are skipped. */
  readonly readOnlyToken?: string | undefined;
  /** Which checks: numbers such as `4.2`, or chapters such as `4`; all where it is left out. */
  readonly only?: readonly string[] | undefined;
  /** In which formats; in both where it is left out. */
  readonly formats?: readonly Tongue['format'][] | undefined;
  /** How long the server has for each answer; 5 s where it is left out. */
  readonly timeoutMs?: number | undefined;
  /** Is told of each result as it is there. */
  readonly report?: ((result: Result, progress: Progress) => void) | undefined;
};

/** How one check went in one dialect and format. */
export type Result = Tongue & {
  readonly number: string;
  readonly title: string;
  /** The section of stores.md. */
  readonly spec: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** What the server did wrong, or why the check was skipped. */
  readonly why: string | null;
  readonly ms: number;
};

/** How far a run is. */
export type Progress = { readonly done: number; readonly total: number };

/** How a run went. It conforms if nothing failed and something passed. */
export type Summary = {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly results: readonly Result[];
};

/**
 * Holds the checks with a server, one after the other. What they write they remove again. Rejects where the store cannot
 * be reached or written to at all.
 */
export async function run(options: Options): Promise<Summary> {
  const setting: Setting = {
    url: options.url.replace(/^http/, 'ws').replace(/\/+$/, ''),
    token: options.token,
    readOnlyToken: options.readOnlyToken ?? null,
    store: options.store,
    timeoutMs: options.timeoutMs ?? 5000,
    word: randomUUID().slice(0, 8),
  };
  const planned = plan(options);
  await open(setting);
  const results: Result[] = [];
  for (const [check, tongue] of planned) {
    const result = await hold(check, new Stage(setting, tongue, check.number));
    results.push(result);
    options.report?.(result, { done: results.length, total: planned.length });
  }
  const count = (outcome: Result['outcome']): number =>
    results.filter((result) => result.outcome === outcome).length;
  return {
    passed: count('passed'),
    failed: count('failed'),
    skipped: count('skipped'),
    results,
  };
}

/** Joins and writes once, so that whoever cannot is told so at once, and so that no check meets a store without a seq. */
async function open(setting: Setting): Promise<void> {
  const stage = new Stage(setting, { capver: 4, format: 'json' }, '0');
  try {
    await stage.sweep();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`The store ${setting.store} cannot be written to: ${why}`, { cause: error });
  } finally {
    stage.end();
  }
}

function plan({ only, formats }: Options): readonly (readonly [Check, Tongue])[] {
  const wanted = ({ number }: Check): boolean =>
    only?.some((each) => number === each || number.startsWith(`${each}.`)) ?? true;
  const tongues = ([4, 3] as const).flatMap((capver) =>
    (formats ?? (['json', 'messagepack'] as const)).map((format): Tongue => ({ capver, format })),
  );
  return checks
    .filter(wanted)
    .flatMap((check) =>
      tongues.filter((tongue) => fits(check, tongue)).map((tongue) => [check, tongue] as const),
    );
}

function fits(check: Check, { capver, format }: Tongue): boolean {
  return (check.capver ?? capver) === capver && (check.format ?? format) === format;
}

async function hold(check: Check, stage: Stage): Promise<Result> {
  const { number, title, spec } = check;
  const begun = performance.now();
  const result = (outcome: Result['outcome'], why: string | null): Result => {
    const ms = Math.round(performance.now() - begun);
    return { number, title, spec, ...stage.tongue, outcome, why, ms };
  };
  if (check.needsReadOnlyToken === true && stage.setting.readOnlyToken === null) {
    return result('skipped', 'it needs a token that may only read');
  }
  try {
    await check.play(stage);
    return result('passed', null);
  } catch (error) {
    return result('failed', error instanceof Error ? error.message : String(error));
  } finally {
    // What cannot be removed stays; that is no verdict on what was checked.
    await stage.sweep().catch(() => undefined);
    stage.end();
  }
}
