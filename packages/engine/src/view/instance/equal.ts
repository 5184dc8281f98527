/**
 * Whether two values of application code are alike all the way down; what both share is not looked into (views.md §11.3).
 * A member that is absent and one that is null are two things.
 */
export function isAlike(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, at) => isAlike(item, b[at]));
  }
  return isPlain(a) ? areMembersAlike(a, b) : areTextsAlike(a, b);
}

function areMembersAlike(a: object, b: object): boolean {
  const names = Object.keys(b);
  if (Object.keys(a).length !== names.length) return false;
  return names.every(
    (name) => Object.hasOwn(a, name) && isAlike(Reflect.get(a, name), Reflect.get(b, name)),
  );
}

// Dates, and nothing else: of a Map or a class of its own nobody knows what makes it what it is.
function areTextsAlike(a: object, b: object): boolean {
  const tag = Object.prototype.toString.call(a);
  return tag === '[object Date]' && JSON.stringify(a) === JSON.stringify(b);
}

/** Whether two objects have the same members, each of which is the very same (views.md §11.3). */
export function isShallowlyAlike(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => Object.hasOwn(b, name) && isSameMember(a, b, name));
}

function isSameMember(a: object, b: object, name: string): boolean {
  return Object.is(Reflect.get(a, name), Reflect.get(b, name));
}

/** Whether one object is as good as the other: plain data with the very same members. */
export function isCopy(a: unknown, b: unknown): boolean {
  const isData = [a, b].every((each) => typeof each === 'object' && each !== null && isPlain(each));
  return isData && isShallowlyAlike(a, b);
}

/** Whether an object is as a literal makes it. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
