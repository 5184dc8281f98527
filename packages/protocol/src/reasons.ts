import { finals } from './finals.ts';
import { type Reason, transients } from './refusals.ts';

const known: ReadonlySet<string> = /* @__PURE__ */ new Set([...finals, ...transients]);

/** Whether the text is a reason of the table. */
export function isReason(text: string): text is Reason {
  return known.has(text);
}
