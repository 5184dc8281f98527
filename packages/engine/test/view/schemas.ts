import { isObject, type SchemaIssue, type StandardSchema } from '@holdfast/protocol';

/** A schema of an object whose members are of these types; others stay as they are. */
export function object(members: { readonly [name: string]: string }): StandardSchema<unknown> {
  return {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => {
        if (!isObject(value)) return { issues: [{ message: 'must be an object' }] };
        const issues: SchemaIssue[] = [];
        for (const [name, type] of Object.entries(members)) {
          if (typeof value[name] !== type) {
            issues.push({ message: `must be a ${type}`, path: [name] });
          }
        }
        return issues.length > 0 ? { issues } : { value };
      },
    },
  };
}
