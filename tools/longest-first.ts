import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take ten seconds and more: one that came last would keep a single worker busy. */
const long =
  /simulation\/(simulation|hosts|tabs)\.test|data\/histories|conformance\/test\/mutants|cli\/test\/(store|history|server|config)/;

/** Runs what takes long before all else. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- it is no array
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

function isLong({ moduleId }: TestSpecification): boolean {
  return long.test(moduleId);
}
