import { isObject } from '@holdfast/protocol';
import type { HandshakeRequest } from '@holdfast/protocol/record';

/** Whether this, which somebody has sent, is what is asked of one key. */
export function isRequest(value: unknown): value is HandshakeRequest {
  if (!isObject(value) || typeof value['key'] !== 'string') return false;
  const { record, params = {}, client_version: version, incarnation, sequence, view, seed } = value;
  const isCount =
    sequence === undefined || (Number.isSafeInteger(sequence) && Number(sequence) >= 0);
  if (!isObject(params)) return false;
  const texts = [record, version, incarnation, view, seed, ...Object.values(params)];
  return isCount && texts.every((each) => each === undefined || typeof each === 'string');
}
