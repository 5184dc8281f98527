/** A record as a page is rendered from it. */
export type PageEnvelope = {
  readonly envelope: unknown;
  /** What shows a server that it was rendered so; null: nothing does. Absent: it comes from no page. */
  readonly proof?: string | null;
};
