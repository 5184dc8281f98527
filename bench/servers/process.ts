import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { HistoryError, isProblems } from '../history/error.ts';

/** A server in a process of its own, on a random port. */
export type Running = {
  readonly port: number;
  /** Asks the server something; see the files beside this one for what each understands. */
  ask(question: string): Promise<number>;
  stop(): Promise<void>;
};

/** Starts `bench/servers/<name>.ts` and waits until it listens. */
export async function start(name: string, settings: object = {}): Promise<Running> {
  const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const profile = process.env['BENCH_PROFILE'];
  const child = fork(file, [JSON.stringify(settings)], {
    execArgv: [
      '--conditions=@holdfast/source',
      '--expose-gc',
      ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]),
    ],
  });
  const port = await message(child);
  return {
    port,
    ask: (question) => {
      const answer = message(child);
      child.send(question);
      return answer;
    },
    stop: async () => {
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.send('stop');
      await gone;
    },
  };
}

function message(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const exited = (code: number | null): void =>
      reject(new Error(`the server ended with ${code}`));
    child.once('exit', exited);
    child.once('message', (answer: unknown) => {
      child.off('exit', exited);
      if (typeof answer === 'number') resolve(answer);
      else if (isProblems(answer)) reject(new HistoryError(answer));
      else reject(new Error(`unexpected answer ${JSON.stringify(answer)}`));
    });
  });
}
