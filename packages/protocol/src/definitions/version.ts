/** Reads `major.minor`, or `major` alone; null: it is neither (records.md §2). */
export function parseVersion(
  text: unknown,
): { readonly major: number; readonly minor: number } | null {
  const [, major, minor = '0'] =
    (typeof text === 'string' && /^(0|[1-9]\d{0,5})(?:\.(0|[1-9]\d{0,5}))?$/.exec(text)) || [];
  return major === undefined ? null : { major: Number(major), minor: Number(minor) };
}

/** The major of a version; null where it has none. */
export function majorOf(version: unknown): number | null {
  return parseVersion(version)?.major ?? null;
}
