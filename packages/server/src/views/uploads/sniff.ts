type Sign = { readonly at: number; readonly bytes: readonly number[] };

const text = (at: number, of: string): Sign => ({ at, bytes: [...Buffer.from(of, 'latin1')] });
const hex = (of: string): Sign => ({ at: 0, bytes: [...Buffer.from(of, 'hex')] });

/** How files begin, by extension: one of the signs must be there; where there is none, anything may be (views.md §10.5). */
const signs: { readonly [extension: string]: readonly Sign[] } = {
  '.png': [hex('89504e470d0a1a0a')],
  '.jpg': [hex('ffd8ff')],
  '.jpeg': [hex('ffd8ff')],
  '.gif': [text(0, 'GIF87a'), text(0, 'GIF89a')],
  '.webp': [text(8, 'WEBP')],
  '.avif': [text(4, 'ftypavif'), text(4, 'ftypavis')],
  '.heic': [text(4, 'ftypheic'), text(4, 'ftypheix'), text(4, 'ftypmif1')],
  '.bmp': [text(0, 'BM')],
  '.ico': [hex('00000100')],
  '.tif': [hex('49492a00'), hex('4d4d002a')],
  '.tiff': [hex('49492a00'), hex('4d4d002a')],
  '.pdf': [text(0, '%PDF-')],
  '.zip': [hex('504b0304'), hex('504b0506')],
  '.docx': [hex('504b0304')],
  '.xlsx': [hex('504b0304')],
  '.pptx': [hex('504b0304')],
  '.gz': [hex('1f8b')],
  '.7z': [hex('377abcaf271c')],
  '.mp3': [text(0, 'ID3'), hex('fffb'), hex('fff3'), hex('fff2')],
  '.wav': [text(8, 'WAVE')],
  '.ogg': [text(0, 'OggS')],
  '.flac': [text(0, 'fLaC')],
  '.mp4': [text(4, 'ftyp')],
  '.m4a': [text(4, 'ftyp')],
  '.mov': [text(4, 'ftyp'), text(4, 'moov'), text(4, 'wide')],
  '.webm': [hex('1a45dfa3')],
  '.mkv': [hex('1a45dfa3')],
  '.avi': [text(8, 'AVI ')],
  '.wasm': [hex('0061736d')],
};

/** Whether a file begins as its name says. */
export function looksLike(name: string, head: Uint8Array): boolean {
  const dot = name.lastIndexOf('.');
  const extension = dot < 0 ? '' : name.slice(dot).toLowerCase();
  const known = Object.hasOwn(signs, extension) ? signs[extension] : undefined;
  if (known === undefined) return true;
  return known.some(({ at, bytes }) => bytes.every((byte, i) => head[at + i] === byte));
}
