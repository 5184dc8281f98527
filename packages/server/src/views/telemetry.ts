import type { InstanceEffect } from '@holdfast/engine/view';

/** Something that a server did for a view (views.md §16). Times are milliseconds, sizes bytes. */
export type ViewTelemetry = { readonly module: string; readonly id: string } & (
  | { readonly name: 'join'; readonly ms: number; readonly reason: string | null }
  /** A channel has ended; kept: the client may come back to what it left. */
  | { readonly name: 'leave'; readonly kept: boolean }
  | { readonly name: 'command'; readonly ms: number; readonly reason: string | null }
  | { readonly name: 'render'; readonly ms: number; readonly nodes: number }
  | { readonly name: 'diff'; readonly ms: number; readonly ops: number }
  | {
      readonly name: 'envelope';
      readonly ops: number;
      readonly bytes: number;
      readonly subscribers: number;
    }
  /** A subscriber reads too slowly: envelopes to it are skipped for now. */
  | { readonly name: 'lag' }
  | { readonly name: 'resume'; readonly outcome: 'hit' | 'full' | 'fresh' }
  /** A run of a loader is over; `of`: the async value. */
  | {
      readonly name: 'async';
      readonly of: string;
      readonly ms: number;
      readonly outcome: 'ok' | 'failed' | 'timeout' | 'cancelled';
    }
  | {
      readonly name: 'upload';
      readonly bytes: number;
      readonly ms: number;
      readonly outcome: 'opened' | 'complete' | 'broken' | 'cancelled';
    }
  /** Application code failed; the log has it under the same id. */
  | { readonly name: 'error'; readonly errorId: string; readonly where: string }
);

/** The same without whose doing it was. */
export type Telling = ViewTelemetry extends infer Each
  ? Each extends unknown
    ? Omit<Each, 'module' | 'id'>
    : never
  : never;

/** What an instance's effect tells an operator. */
// oxlint-disable-next-line complexity -- one case for each effect
export function tellingsOf(effect: InstanceEffect): readonly Telling[] {
  switch (effect.type) {
    case 'rendered': {
      const { nodes, renderMs, diffMs, ops } = effect;
      return [
        { name: 'render', ms: renderMs, nodes },
        { name: 'diff', ms: diffMs, ops },
      ];
    }
    case 'send': {
      const { ops, stream_ops: streamOps, upload_ops: uploadOps, events } = effect.tail.content;
      const count = ops.length + streamOps.length + uploadOps.length + events.length;
      const [bytes, subscribers] = [effect.tail.bytes, effect.to.length];
      return [{ name: 'envelope', ops: count, bytes, subscribers }];
    }
    case 'opened':
      return [{ name: 'upload', bytes: effect.target.item.size, ms: 0, outcome: 'opened' }];
    case 'uploaded':
      return [{ name: 'upload', bytes: effect.bytes, ms: effect.ms, outcome: effect.outcome }];
    case 'loaded':
      return [{ name: 'async', of: effect.name, ms: effect.ms, outcome: effect.outcome }];
    case 'fault':
      return [{ name: 'error', errorId: effect.id, where: effect.where }];
    case 'attached':
    case 'discard':
    case 'drop':
    case 'ended':
    case 'failed':
    case 'forgot':
    case 'lost':
    case 'mounted':
    case 'params':
    case 'reply':
    case 'stopped':
    case 'turn':
    case 'wake':
    case 'warn':
      return [];
  }
}
