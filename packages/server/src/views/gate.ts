import { type AnySchema, issuesMax, isThenable } from '@holdfast/protocol';
import type { ViewIssue } from '@holdfast/protocol/views';
import type { Soon } from './env.ts';

/** What comes out of a schema, or what it has against a value. */
export type Passed = { readonly value: unknown } | { readonly issues: readonly ViewIssue[] };

/** Passes a value through a schema, which may take its time; without one it stays as it is. Never throws. */
export function passGate(schema: AnySchema | undefined, value: unknown): Soon<Passed> {
  if (schema === undefined) return { value };
  try {
    const result = schema['~standard'].validate(value);
    return isThenable(result)
      ? Promise.resolve(result).then(passedOf).catch(failedOf)
      : passedOf(result);
  } catch (error) {
    return failedOf(error);
  }
}

type Result = Awaited<ReturnType<AnySchema['~standard']['validate']>>;

function passedOf(result: Result): Passed {
  if (result.issues === undefined) return { value: result.value };
  return { issues: result.issues.slice(0, issuesMax).map(issueOf) };
}

/** A schema that throws has not let the value pass; what it says is for no client. */
function failedOf(_error: unknown): Passed {
  return { issues: [{ path: [], message: 'invalid' }] };
}

type Issue = { readonly message: unknown; readonly path?: unknown };

/** It travels, and a schema may say something else than it declares. */
function issueOf({ message, path }: Issue): ViewIssue {
  const steps: readonly unknown[] = Array.isArray(path) ? path : [];
  return {
    path: steps.flatMap(stepOf),
    message: typeof message === 'string' ? message : 'invalid',
  };
}

function stepOf(step: unknown): readonly (string | number)[] {
  const key: unknown = typeof step === 'object' && step !== null && 'key' in step ? step.key : step;
  return typeof key === 'string' || typeof key === 'number' ? [key] : [];
}
