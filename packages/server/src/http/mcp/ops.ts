import { opNames } from '@holdfast/protocol';

/** The ops that tools take, as a sentence lists them; files go over HTTP. */
export function listOfOps(link: 'and' | 'or'): string {
  const type = link === 'and' ? 'conjunction' : 'disjunction';
  return new Intl.ListFormat('en-GB', { type }).format(opNames.filter((op) => op !== 'put_file'));
}
