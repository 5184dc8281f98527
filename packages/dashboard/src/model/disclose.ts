/** What is not seen, or changes how others are seen; but joiners, of which scripts and emoji are made. */
const unseen = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Text that anybody may have written, in which nothing hides or reorders what is around it: escaped as in JSON. */
export function disclose(text: string): string {
  return text.replaceAll(unseen, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
