/** Something that a server did for a view (views.md §16). Times are milliseconds, sizes bytes. */
export type ViewTelemetry = { readonly module: string; readonly id: string } & (
  | { readonly name: 'join'; readonly ms: number; readonly reason: string | null }
  | { readonly name: 'leave' }
  | { readonly name: 'command'; readonly ms: number; readonly reason: string | null }
  | { readonly name: 'render'; readonly ms: number; readonly nodes: number }
  | { readonly name: 'diff'; readonly ms: number; readonly ops: number }
  | {
      readonly name: 'envelope';
      readonly ops: number;
      readonly bytes: number;
      readonly subscribers: number;
    }
  | { readonly name: 'lag' }
  | { readonly name: 'resume'; readonly outcome: 'hit' | 'full' | 'fresh' }
  | { readonly name: 'upload'; readonly outcome: 'opened' | 'complete' | 'broken' }
  /** Application code failed; the log has it under the same id. */
  | { readonly name: 'error'; readonly errorId: string; readonly where: string }
);
