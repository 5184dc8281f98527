import { finals } from './finals.ts';
import { type Code, type Reason, transients } from './refusals.ts';

const known: ReadonlySet<string> = /* @__PURE__ */ new Set([...finals, ...transients]);

/** Whether the text is a reason of the table. */
export function isReason(text: string): text is Reason {
  return known.has(text);
}

/** Whether application code can say no by the text: a reason of the table, or a code of its own (views.md §7.1). */
export function isCode(text: string): text is Code {
  return isReason(text) || /^[a-z][a-z0-9_]*$/.test(text);
}
