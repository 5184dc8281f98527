import { matches, type Op, segmentsOf } from '@holdfast/protocol';
import { parsed } from '../parts/border.ts';
import { textOf } from '../text.ts';
import type { Truth } from '../validators/truth.ts';
import type { Delivery, Receiver } from './receiver.ts';

/** What is wrong with what a receiver was sent (stores.md §17): all of it at least once, one after the other, as it was. */
export function wrongWith({ name, pattern, deliveries }: Receiver, truth: Truth): string[] {
  const [scope] = parsed([pattern]);
  const wanted = truth.ops.filter(
    ({ path }) => scope !== undefined && matches(scope, segmentsOf(path)),
  );
  return [
    ...missing(wanted, deliveries),
    ...deliveries.flatMap((each, at) => disorder(each, deliveries[at - 1])),
    ...deliveries.flatMap((each) => untrue(each, truth)),
    ...misnamed(deliveries),
  ].map((text) => text.replace(':', `: ${name}:`));
}

function missing(wanted: readonly Op[], deliveries: readonly Delivery[]): string[] {
  const taken = deliveries.filter(({ isTaken }) => isTaken);
  const isTold = ({ seq }: Op): boolean =>
    taken.some((each) => each.from <= seq && seq <= each.seq && (each.isGap || each.seq === seq));
  return wanted.filter((op) => !isTold(op)).map(({ seq }) => `reliable: ${seq} was never taken`);
}

/** What was taken is over, unless the server died before it had noted that; what was not comes again before anything else. */
function disorder(now: Delivery, before: Delivery | undefined): string[] {
  if (before === undefined) return [];
  const pair = `${now.from} to ${now.seq} after ${before.from} to ${before.seq}`;
  const hasDied = now.crashes !== before.crashes;
  // What is passed in silence is noted late: it may be forgotten by the time that another server comes to it.
  if (now.seq < before.seq) return hasDied && now.isGap ? [] : [`ordered: ${pair}`];
  if (before.isTaken && now.from <= before.seq && !hasDied) return [`repeated: ${pair}`];
  return !before.isTaken && now.from > before.seq ? [`ordered: ${pair}, which was not taken`] : [];
}

function untrue({ seq, body, isGap, isSigned }: Delivery, truth: Truth): string[] {
  if (!isSigned) return [`signed: the signature of ${seq} is wrong`];
  if (isGap) return [];
  const op = truth.at(seq);
  const { op: does, path, value, device_id: deviceId, tx } = body;
  const [found, real] = [
    [does, path, value ?? null, deviceId, tx],
    [op?.op, op?.path, op?.value ?? null, op?.deviceId, op?.tx ?? null],
  ].map(textOf);
  return found === real ? [] : [`true: ${seq} is ${real}, and was told as ${found}`];
}

/** Each attempt to deliver the same has the same name, and nothing else has it. */
function misnamed(deliveries: readonly Delivery[]): string[] {
  const names = new Map<string, string>();
  return deliveries.flatMap(({ id, seq, isGap }) => {
    const what = `${isGap ? 'a gap until ' : ''}${seq}`;
    const known = names.get(id) ?? what;
    names.set(id, known);
    // How far a gap reaches may have grown meanwhile.
    return known === what || isGap ? [] : [`named: ${id} is ${known} and ${what}`];
  });
}
