/** What stands before the payload of a frame. */
export type FrameHead = {
  readonly joinRef: string | null;
  readonly ref: string | null;
  readonly topic: string;
  readonly event: string;
};

/** Refs, topic and event take no more, or nobody needs them. */
const HEAD_BYTES_MAX = 8 * 1024;
const FIELDS = 4;
// Linear: each character of a string is taken in one way only.
const text = String.raw`"(?:[^"\\]|\\.)*"`;
const jsonHead = new RegExp(String.raw`^\s*\[((?:\s*(?:null|${text})\s*,){${FIELDS}})`);

/** The head of an encoded frame, read without its payload; null where it is not to be read. */
export function readHead(bytes: Buffer, isBinary: boolean): FrameHead | null {
  const start = bytes.subarray(0, HEAD_BYTES_MAX);
  const fields = isBinary ? packedFields(start) : jsonFields(start.toString());
  const [joinRef, ref, topic, event] = fields ?? [];
  if (joinRef === undefined || ref === undefined) return null;
  if (typeof topic !== 'string' || typeof event !== 'string') return null;
  return { joinRef, ref, topic, event };
}

type Fields = readonly (string | null)[];

function jsonFields(start: string): Fields | null {
  const [, head] = jsonHead.exec(start) ?? [];
  if (head === undefined) return null;
  try {
    const fields: unknown = JSON.parse(`[${head.slice(0, -1)}]`);
    return Array.isArray(fields) && fields.every(isField) ? fields : null;
  } catch {
    return null;
  }
}

function isField(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}

/** MessagePack: an array of five, then strings and nils. */
function packedFields(start: Buffer): Fields | null {
  if (start[0] !== 0x95) return null;
  const fields: (string | null)[] = [];
  for (let at = 1; fields.length < FIELDS;) {
    const field = packedField(start, at);
    if (field === null) return null;
    fields.push(field.value);
    at = field.end;
  }
  return fields;
}

function packedField(
  start: Buffer,
  at: number,
): { readonly value: string | null; readonly end: number } | null {
  const mark = start[at];
  if (mark === 0xc0) return { value: null, end: at + 1 };
  const size = packedSize(start, at);
  if (size === null || size.from + size.length > start.length) return null;
  const end = size.from + size.length;
  return { value: start.toString('utf8', size.from, end), end };
}

function packedSize(
  start: Buffer,
  at: number,
): { readonly from: number; readonly length: number } | null {
  const mark = start[at] ?? 0;
  if (mark >= 0xa0 && mark <= 0xbf) return { from: at + 1, length: mark & 0x1f };
  if (mark === 0xd9 && at + 1 < start.length) {
    return { from: at + 2, length: start.readUInt8(at + 1) };
  }
  if (mark === 0xda && at + 2 < start.length) {
    return { from: at + 3, length: start.readUInt16BE(at + 1) };
  }
  return null;
}
