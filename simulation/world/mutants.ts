/**
 * Ways in which a world can be spoiled, each with the word that its checkers then break: who finds nothing wrong in a
 * spoiled world looks at nothing. Each is a switch where the world's own parts touch the machines.
 */
export const mutants = {
  'the log forgets a commit': 'once',
  'the log keeps a commit twice': 'once',
  'the log forgets answers': 'once',
  'the log loses an op in the end': 'dense',
  'the log tears a commit': 'whole',
  'the log invents an op': 'known',
  'the log forgets entries': 'converged',
  'a push overtakes another': 'inOrder',
  'a host ignores fences': 'exclusive',
  'a host takes any number of requests': 'bounded',
  'a host sends another value': 'bookmarkable',
  'a host speaks nonsense': 'calm',
  'a cache forgets requests': 'kept',
  'a cache keeps half a commit': 'bookmarkable',
  'a view forgets a pending write': 'folded',
  'a view forgets what it has written': 'own',
  'a subscriber is told twice': 'unique',
  'a subscriber is told late': 'ordered',
  'a subscriber is told less': 'reliable',
  'a subscriber is told nothing at a seam': 'resumable',
  'a subscriber is told of a gap by nobody': 'gapless',
  'a subscriber is told half a transaction': 'atomic',
  'a subscriber is told of other paths': 'filtered',
  'a subscriber is told another previous value': 'previous',
  'a subscriber is told another count': 'conflated',
} as const;

/** One of {@link mutants}. */
export type Mutant = keyof typeof mutants;
