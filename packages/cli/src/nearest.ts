/** The word that somebody meant who typed another: one begins as the other does, or is one or two slips away; undefined: none is. */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  return (
    known.find((word) => word.startsWith(typed)) ??
    known.find((word) => isWithin(typed, word, 1)) ??
    known.find((word) => typed.startsWith(word)) ??
    // Of a short word little is left after two.
    known.find((word) => typed.length > 4 && isWithin(typed, word, 2))
  );
}

/** Whether so many slips suffice: letters that are missing, too many, others, or have changed places with the next. */
function isWithin(typed: string, meant: string, slips: number): boolean {
  if (typed === meant) return true;
  const [a = '', b = ''] = [typed[0], meant[0]];
  const [afterA, afterB] = [typed.slice(1), meant.slice(1)];
  if (a === b) return isWithin(afterA, afterB, slips);
  if (slips === 0) return false;
  const rests: (readonly [string, string])[] = [];
  if (a !== '') rests.push([afterA, meant]);
  if (b !== '') rests.push([typed, afterB]);
  if (a !== '' && b !== '') rests.push([afterA, afterB]);
  if (a === meant[1] && b === typed[1]) rests.push([typed.slice(2), meant.slice(2)]);
  return rests.some(([one, other]) => isWithin(one, other, slips - 1));
}
