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

const explained = (code: string, details: object): string => {
  explainErrors();
  return new RejectedError(code, { ...details }).message;
};

test('an explained error says what the code of a view has said beside its own code', () => {
  const of = { data: { message: 'Somebody has deleted it.' } };
  expect(explained('card_gone', of)).toBe('card_gone: Somebody has deleted it.');
  for (const data of [{ message: 7 }, { message: '' }, ['x'], 'x', null, undefined]) {
    expect(explained('card_gone', { data })).toBe('card_gone');
  }
});

test('an explained error of a fault inside the server has the id by which it is found in the log', () => {
  const what = 'Something failed inside the server;';
  expect(explained('internal error', { id: 'e_1' })).toBe(
    `internal error: ${what} id finds it in the log (e_1).`,
  );
  expect(explained('internal_error', { error_id: 'e_2' })).toBe(
    `internal_error: ${what} error_id finds it in the log (e_2).`,
  );
  expect(explained('internal_error', { id: 'e_3' })).toMatch(/\(e_3\)\.$/);
  expect(explained('not_found', { id: 'x' })).toBe('not_found: There is no such object.');
});

test('an explained error of a view names the view, where nothing else says what it is about', () => {
  const view = 'Board:main';
  expect(explained('unknown root', { view })).toBe(
    'unknown root: No view of this name may be mounted (Board:main).',
  );
  const issues = [{ path: ['room'], message: 'no room' }];
  expect(explained('invalid_params', { view, issues })).toMatch(/ \(room\)\.$/);
});
