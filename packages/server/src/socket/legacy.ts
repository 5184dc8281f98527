import {
  type DeviceId,
  type Entry,
  type EventPayload,
  type Leaf,
  type OpId,
  type OpName,
  type Path,
  segmentsOf,
  type Seq,
} from '@holdfast/protocol';

/** Who an event that stands for state, not for an op, says it is from. */
type Origin = { readonly deviceId: DeviceId; readonly clientOpId: OpId };

/** State as the event a capver-3 client knows: what is at a path now, or that it was cleared at a seq (stores.md §9.4). */
export function stateEvent(
  path: Path,
  state: Leaf | { readonly cleared: Seq },
  { deviceId, clientOpId }: Origin,
): EventPayload {
  const gone = 'cleared' in state;
  return {
    store_seq: gone ? state.cleared : state.revision,
    op: gone ? 'delete' : opOf(state),
    path,
    path_segments: segmentsOf(path),
    value: gone ? null : state.value,
    device_id: deviceId,
    client_op_id: clientOpId,
  };
}

function opOf({ type }: Pick<Entry, 'type'>): OpName {
  if (type === 'counter') return 'increment';
  if (type === 'set') return 'add';
  if (type === 'file') return 'put_file';
  return type === 'lease' ? 'lease' : 'set';
}
