const time = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat([], { weekday: 'long', day: 'numeric', month: 'long' });
const dayMs = 86_400_000;

/** The time of a day, as people here write it. */
export function timeOf(at: number): string {
  return time.format(at);
}

/** The day, in a word where there is one for it. */
export function dayOf(at: number): string {
  const name = day.format(at);
  if (name === day.format(Date.now())) return 'Today';
  return name === day.format(Date.now() - dayMs) ? 'Yesterday' : name;
}
