/** Says on stderr when each tenth of long work is done: without a word for tens of minutes nobody knows whether it goes on. */
export function tenths(all: number, what: string): (done: number) => void {
  const began = performance.now();
  let told = 0;
  return (done) => {
    const tenth = Math.floor((10 * done) / all);
    if (tenth <= told) return;
    told = tenth;
    const seconds = Math.round((performance.now() - began) / 1000);
    process.stderr.write(`${Math.min(done, all)} of ${all} ${what}, after ${seconds} s\n`);
  };
}
