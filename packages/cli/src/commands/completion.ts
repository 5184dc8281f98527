import { type Command, defineCommand } from '../command.ts';
import { type Completable, completionScript, shells } from '../completion.ts';
import { misuse } from '../failure.ts';

/** The command `completion`, which knows of all others by `read`. */
export function completionOf(read: () => Promise<readonly Completable[]>): Command {
  return defineCommand({
    summary: 'Write a script that completes commands and options in a shell.',
    args: {
      shell: { type: 'positional', description: shells.join(', '), valueHint: shells.join('|') },
    },
    examples: [
      'eval "$(holdfast completion bash)"',
      'holdfast completion zsh > ~/.zfunc/_holdfast',
      'holdfast completion fish > ~/.config/fish/completions/holdfast.fish',
    ],
    async run({ shell }, { terminal }) {
      const known = shells.find((each) => each === shell);
      if (known === undefined) {
        throw misuse(
          `There is no completion for "${shell}".`,
          `There is for ${shells.join(', ')}.`,
        );
      }
      terminal.stdout.write(completionScript(known, await read()));
    },
  });
}
