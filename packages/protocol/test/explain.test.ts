import { explainErrors, HoldfastError, RejectedError, refuse } from '@holdfast/protocol';
import { expect, test } from 'vitest';

test('an explained error says what who has refused says, else what the table says', () => {
  explainErrors();
  const rules = refuse('path_not_allowed', { path: 'a' });
  const own = rules.with({ message: 'The write rule of the record "a" does not allow this.' });
  expect(RejectedError.from(own).message).toBe(
    'path_not_allowed: The write rule of the record "a" does not allow this.',
  );
  for (const refusal of [rules, rules.with({ message: '' }), rules.with({ message: 7 })]) {
    expect(RejectedError.from(refusal).message).toMatch(/^path_not_allowed: The path rules of/);
  }
  expect(new HoldfastError('of_the_application').message).toBe('of_the_application');
});

const said = (of: object): string => new RejectedError('invalid_payload', { ...of }).message;
const about = (where: string): string =>
  `invalid_payload: A field of the payload is missing or of the wrong type${where}.`;

test('an explained error names the field that it is about, and nothing of what is in it', () => {
  explainErrors();
  const issues = [{ path: ['list', 0, 'title'], message: 'hunter2 is no title' }];
  expect(said({ issues })).toBe(about(' (list.0.title)'));
  expect(said({ field: 'client_op_id' })).toBe(about(' (client_op_id)'));
  for (const none of [[], [{ path: [] }], [{ path: [{}] }], [null], 'x', undefined]) {
    expect(said({ issues: none })).toBe(about(''));
  }
});
