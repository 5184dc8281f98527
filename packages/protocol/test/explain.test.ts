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
