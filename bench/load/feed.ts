import { asPath, type Op, type Seq } from '@holdfast/protocol';

/** The op that the feeder tells at a seq: its log is what this says, and is kept nowhere. */
export function fedOp(seq: Seq): Op {
  return {
    seq,
    op: 'set',
    path: asPath(`rooms/${seq % 2000}/items/${seq % 7}`),
    value: `value ${seq}`.padEnd(60, '.'),
    arg: null,
    deviceId: 'feeder',
    clientOpId: `feeder:s:${seq}`,
    tx: null,
    at: 0,
    principal: null,
  };
}
