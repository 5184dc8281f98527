import { Failure } from './failure.ts';

/** One message of server-sent events: what HTML calls an event, a bare id included. */
export type ServerEvent = {
  /** `message` where it is not named. */
  readonly event: string;
  readonly id: string | null;
  readonly data: string;
};

/** Characters of a message that has no end yet: more than a server sends. */
const heldMax = 16 * 1024 * 1024;

/** The messages of a stream of server-sent events, as they come. */
export async function* eventsIn(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerEvent, void, undefined> {
  const decoder = new TextDecoder();
  let held = '';
  let last = '';
  for await (const bytes of body) {
    const text = decoder.decode(bytes, { stream: true });
    // Looked for in what has just come: what waits may be megabytes in small pieces.
    last = last.slice(-3) + text;
    held += text;
    if (!/\n\r?\n/.test(last)) {
      if (held.length <= heldMax) continue;
      throw new Failure('refused', 'The server sends a message that does not end.');
    }
    const blocks = held.split(/\r?\n\r?\n/);
    held = blocks.pop() ?? '';
    for (const block of blocks) yield eventIn(block);
  }
}

function eventIn(block: string): ServerEvent {
  let event = 'message';
  let id: string | null = null;
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === 'event') event = value;
    else if (field === 'id') id = value;
    else if (field === 'data') data.push(value);
  }
  return { event, id, data: data.join('\n') };
}
