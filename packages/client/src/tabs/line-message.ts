import { isObject } from '@holdfast/protocol';

/** What goes between a tab and the leader about one line, which the tab names. */
export type LineMessage = { readonly line: string } &
  /** A tab asks for a line, as it would ask the server; until it is answered it asks again. */
  (
    | { readonly is: 'open'; readonly as: string }
    | { readonly is: 'opened' }
    | { readonly is: 'data'; readonly n: number; readonly data: string | Uint8Array }
    /** How far this end has come, so that the other one sees what was lost, and what has arrived. */
    | { readonly is: 'beat'; readonly sent: number; readonly received: number }
    | { readonly is: 'closed'; readonly code: number }
  );

/** Whether something that came from another tab is about a line. */
export function isLineMessage(message: unknown): message is LineMessage {
  return isObject(message) && typeof message['line'] === 'string';
}
