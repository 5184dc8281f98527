const inlineTypes = /^(image\/(?!svg)|audio\/|video\/|application\/pdf$|text\/plain$)/;
const mediaType = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?=[ \t]*(;|$))/;
/** Parameters by RFC 9110 §5.6.6, as they go on after a media type. */
const parameters =
  /^(?:[ \t]*;(?:[ \t]*[\w!#$%&'*+.^`|~-]+=(?:[\w!#$%&'*+.^`|~-]+|"(?:[ !#-[\]-~]|\\[ -~])*"))?)*$/;

/**
 * The content type to answer with; what an entry says may be any text. Parameters that are none are left out: browsers do
 * not agree on where they end, and take what follows a comma for another type.
 */
export function contentTypeOf(said: string): string {
  const [type = null] = mediaType.exec(said) ?? [];
  if (type === null) return 'application/octet-stream';
  return parameters.test(said.slice(type.length)) ? said : type;
}

/** Whether pages show or play it, and learn no more of it than its size. */
export function isMedia(contentType: string): boolean {
  return /^(image|audio|video)\//i.test(contentType);
}

/** How a browser is to treat a file, and its name by RFC 6266 (stores.md §14.5). */
export function dispositionOf(contentType: string, filename: string | null): string {
  const type = (contentType.split(';')[0] ?? '').trim().toLowerCase();
  const kind = inlineTypes.test(type) ? 'inline' : 'attachment';
  if (filename === null || filename === '') return kind;
  // Quotes and escapes are what old parsers get wrong.
  const plain = filename.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_');
  const exact = encodeURIComponent(filename.replaceAll(/\p{Surrogate}/gu, '_')).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${kind}; filename="${plain}"; filename*=UTF-8''${exact}`;
}

/** The name that a `Content-Disposition` gives; null if it gives none. */
export function filenameIn(header: string | undefined): string | null {
  if (header === undefined) return null;
  const exact = /;\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)/i.exec(header)?.[1];
  const decoded = exact === undefined ? null : decode(exact);
  if (decoded !== null) return decoded;
  const [, quoted, bare] =
    /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))/i.exec(header) ?? [];
  return quoted?.replaceAll(/\\(.)/g, '$1') ?? bare ?? null;
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
