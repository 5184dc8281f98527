import { decodeExact } from '@holdfast/protocol/record';
import type { Json } from '@holdfast/protocol';

/** The next event of a stream, as it is read. */
export function eventsOf(response: Response) {
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
  const body = isStream === true ? response.body : null;
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  return async (): Promise<{ event: string; data: Json; id?: string }> => {
    while (!text.includes('\n\n')) {
      const part = await reader?.read();
      if (part === undefined || part.done) throw new Error('the stream has ended');
      text += part.value;
    }
    const [first = '', ...rest] = text.split('\n\n');
    text = rest.join('\n\n');
    const lines = first.split('\n').map((line) => line.split(/: (.*)/s));
    const {
      event = '',
      data = 'null',
      ...more
    } = Object.fromEntries(lines) as Record<string, string>;
    return { event, data: decodeExact(JSON.parse(data) as Json) as Json, ...more };
  };
}

/** A request about these keys. */
export const post = (requests: readonly object[]): RequestInit => ({
  method: 'POST',
  body: JSON.stringify({ requests }),
});
