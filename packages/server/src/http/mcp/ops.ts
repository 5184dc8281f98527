import { opNames } from '@holdfast/protocol';

/** The ops that `transact` takes, as a sentence lists them; files go over HTTP. */
export function listOfOps(link: 'and' | 'or'): string {
  const type = link === 'and' ? 'conjunction' : 'disjunction';
  const taken = [...opNames.filter((op) => op !== 'put_file'), 'mutate'];
  return new Intl.ListFormat('en-GB', { type }).format(taken);
}
