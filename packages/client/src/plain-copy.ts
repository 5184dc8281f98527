/** What JSON makes of a value: what may be sent whatever the codec, and is nobody else's to change. Throws where it is none. */
export function plainCopy<T>(value: T): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JSON lacks is not declared either
  return JSON.parse(JSON.stringify(value)) as T;
}
