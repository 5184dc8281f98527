import { useEffect, useState } from 'react';
import { startOfDay } from './times.ts';

const minuteMs = 60_000;

/** When today began: another time from midnight on, for a page may be open for days. */
export function useToday(): number {
  const [today, setToday] = useState(() => startOfDay(Date.now()));
  useEffect(() => {
    const clock = setInterval(() => setToday(startOfDay(Date.now())), minuteMs);
    return () => clearInterval(clock);
  }, []);
  return today;
}
