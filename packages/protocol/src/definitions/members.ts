/** The members of a spec that have yet to be looked at. */
type Spec = { readonly [member: string]: unknown };

/** Whether a member of a spec is what it must be, and what that is in words. */
export type Rule = readonly [isSound: (value: unknown, spec: Spec) => boolean, needs: string];

/** Throws a `TypeError` that names the first member of a spec that is not what it must be (records.md §2). */
export function checkMembers(
  of: string,
  spec: Spec,
  rules: { readonly [member: string]: Rule },
): void {
  for (const [member, [isSound, needs]] of Object.entries(rules)) {
    if (!isSound(spec[member], spec)) throw new TypeError(`${of}: "${member}" must be ${needs}.`);
  }
}

/** The name of a definition. */
export const nameRule: Rule = [
  (name) => typeof name === 'string' && /^[a-z][a-z0-9_.-]{0,63}$/.test(name),
  'a non-empty string of a-z 0-9 _ . -, at most 64',
];
