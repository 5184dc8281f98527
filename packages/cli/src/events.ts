/** One message of server-sent events: what HTML calls an event, a bare id included. */
export type ServerEvent = {
  /** `message` where it is not named. */
  readonly event: string;
  readonly id: string | null;
  readonly data: string;
};

/** The messages of a stream of server-sent events, as they come. */
export async function* eventsIn(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerEvent, void, undefined> {
  const decoder = new TextDecoder();
  let held = '';
  for await (const bytes of body) {
    held += decoder.decode(bytes, { stream: true });
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
