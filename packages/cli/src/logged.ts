import { textOf } from './fields.ts';
import { type Column, shortValue } from './output.ts';

/** An op of the log, as commands show it. */
export type LoggedOp = {
  readonly seq: number;
  readonly op: string;
  readonly path: string;
  readonly value: unknown;
  readonly type: string;
  readonly device: string;
  readonly tx: number | null;
  readonly at: string;
};

/** Reads one op of an answer. */
export function loggedOp(op: { readonly [field: string]: unknown }): LoggedOp {
  return {
    seq: Number(op['store_seq']),
    op: textOf(op['op']),
    path: textOf(op['path']),
    value: op['value'],
    type: textOf(op['type']),
    device: textOf(op['device_id']),
    tx: typeof op['tx'] === 'number' ? op['tx'] : null,
    at: textOf(op['inserted_at']),
  };
}

/** How the log looks as a table. */
export const logColumns: readonly Column<LoggedOp>[] = [
  { title: 'SEQ', cell: ({ seq }) => String(seq), align: 'right' },
  { title: 'AT', cell: ({ at }) => at },
  { title: 'OP', cell: ({ op }) => op },
  { title: 'PATH', cell: ({ path }) => path },
  {
    title: 'VALUE',
    cell: ({ op, value }) => (op === 'delete' ? '' : shortValue(value, 40)),
    shrinks: true,
  },
  { title: 'DEVICE', cell: ({ device }) => device, shrinks: true },
];
