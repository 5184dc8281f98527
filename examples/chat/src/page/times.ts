const time = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' });
const dayAndMonth = { weekday: 'long', day: 'numeric', month: 'long' } as const;
const day = new Intl.DateTimeFormat([], dayAndMonth);
const dayAndYear = new Intl.DateTimeFormat([], { ...dayAndMonth, year: 'numeric' });

/** The time of a day, as people here write it. */
export function timeOf(at: number): string {
  return time.format(at);
}

/** When a day began, in milliseconds since 1970; days may have 23 hours, or 25. */
export function startOfDay(at: number, daysBefore = 0): number {
  const date = new Date(at);
  date.setDate(date.getDate() - daysBefore);
  return date.setHours(0, 0, 0, 0);
}

/** The day, seen from `today`: in a word where there is one for it, and with its year where that is another. */
export function dayOf(at: number, today: number): string {
  if (at >= startOfDay(today)) return 'Today';
  if (at >= startOfDay(today, 1)) return 'Yesterday';
  const isThisYear = new Date(at).getFullYear() === new Date(today).getFullYear();
  return (isThisYear ? day : dayAndYear).format(at);
}
