/** One message of server-sent events; `id`: the cursor that it leaves, where it names one. */
export type Message = {
  readonly event: string | null;
  readonly id: string | null;
  readonly data: string;
};

/** Reads messages of server-sent events, piece by piece, as the standard has it. */
export class Messages {
  readonly #decoder = new TextDecoder();
  #text = '';

  take(bytes: Uint8Array): readonly Message[] {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    const blocks = this.#text.split('\n\n');
    this.#text = blocks.pop() ?? '';
    return blocks.map(messageOf);
  }
}

function messageOf(block: string): Message {
  let [event, id, data]: [string | null, string | null, string] = [null, null, ''];
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^(\w*): ?(.*)$/.exec(line) ?? [];
    if (name === 'event') event = value;
    else if (name === 'id') id = value;
    else if (name === 'data') data += value;
  }
  return { event, id, data };
}
