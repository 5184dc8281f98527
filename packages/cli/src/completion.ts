/** What a shell must know of a command to complete it. */
export type Completable = {
  /** One word, or two. */
  readonly name: string;
  readonly summary: string;
  readonly options: readonly CompletableOption[];
  /** What its first argument may be, where that is known. */
  readonly words: readonly string[];
};

/** An option; `takes` says what follows it: nothing, a file, a directory, or what no shell can know. */
export type CompletableOption = {
  readonly name: string;
  readonly summary: string;
  readonly takes: 'nothing' | 'file' | 'directory' | 'text';
};

/** The shells that can be completed. */
export const shells = ['bash', 'zsh', 'fish'] as const;

/** One of {@link shells}. */
export type Shell = (typeof shells)[number];

/** A script that completes `holdfast` in a shell. It asks nobody: all it knows stands in it. */
export function completionScript(shell: Shell, table: readonly Completable[]): string {
  const commands = [...table, ...headsOf(table)];
  if (shell === 'bash') return bashScript(commands);
  return shell === 'zsh' ? zshScript(commands) : fishScript(commands);
}

const optionWord = ({ name }: CompletableOption): string => `--${name}`;

/** First words that are no commands by themselves. */
function headsOf(table: readonly Completable[]): readonly Completable[] {
  const known = new Set(table.map(({ name }) => name));
  return firstWords(table)
    .filter((first) => !known.has(first))
    .map((name) => ({ name, summary: `${name} …`, options: [], words: [] }));
}

/** The first words of all commands, each once. */
function firstWords(commands: readonly Completable[]): readonly string[] {
  return [...new Set(commands.map(({ name }) => name.split(' ')[0] ?? name))];
}

/** The second words that may follow a first one. */
function secondWords(first: string, commands: readonly Completable[]): readonly string[] {
  return commands.flatMap(({ name }) => {
    const [head, second] = name.split(' ');
    return head === first && second !== undefined ? [second] : [];
  });
}

function bashScript(commands: readonly Completable[]): string {
  const cases = commands.map(({ name, options, words }) => {
    const following = name.includes(' ') ? words : [...words, ...secondWords(name, commands)];
    const lists = [
      `words='${following.join(' ')}'`,
      `options='${options.map(optionWord).join(' ')}'`,
    ];
    const taking = (what: CompletableOption['takes']): string =>
      options
        .filter(({ takes }) => takes === what)
        .map(optionWord)
        .join(' ');
    const kinds = [`files='${taking('file')}'`, `dirs='${taking('directory')}'`];
    return `    '${name}') ${[...lists, ...kinds, `texts='${taking('text')}'`].join(' ')} ;;`;
  });
  return `# bash completion for holdfast. Put it where bash looks for completions, or: eval "$(holdfast completion bash)"
_holdfast_know() {
  case "$1" in
${cases.join('\n')}
    *) return 1 ;;
  esac
}
_holdfast() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"
  local words= options= files= dirs= texts= at=2
  COMPREPLY=()
  if (( COMP_CWORD == 1 )) || { (( COMP_CWORD == 2 )) && [[ \${COMP_WORDS[1]} == help ]]; }; then
    COMPREPLY=($(compgen -W '${['help', ...firstWords(commands)].join(' ')}' -- "$cur"))
    return
  fi
  if (( COMP_CWORD > 2 )) && _holdfast_know "\${COMP_WORDS[1]} \${COMP_WORDS[2]}"; then at=3
  else _holdfast_know "\${COMP_WORDS[1]}"
  fi
  if [[ " $files " == *" $prev "* ]]; then COMPREPLY=($(compgen -f -- "$cur"))
  elif [[ " $dirs " == *" $prev "* ]]; then COMPREPLY=($(compgen -d -- "$cur"))
  elif [[ " $texts " == *" $prev "* ]]; then compopt +o default
  elif [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$options --help" -- "$cur"))
  elif (( COMP_CWORD == at )) && [[ -n $words ]]; then COMPREPLY=($(compgen -W "$words" -- "$cur"))
  fi
}
complete -o default -F _holdfast holdfast
`;
}

function zshScript(commands: readonly Completable[]): string {
  const cases = commands.map(({ name, options, words }) => {
    const all = [...options.map(zshOption), `'(- *)--help[Arguments, options and examples]'`];
    const following = name.includes(' ') ? words : [...words, ...secondWords(name, commands)];
    const first = following.length > 0 ? [`'1:argument:(${following.join(' ')})'`] : [];
    return `    (${quote(name)}) _arguments ${[...all, ...first, `'*:file:_files'`].join(' ')} ;;`;
  });
  const listed = firstWords(commands).map((first) => {
    const summary = commands.find(({ name }) => name === first)?.summary ?? '';
    return quote(`${first}:${summary}`);
  });
  return `#compdef holdfast
# zsh completion for holdfast. Put it into a directory of $fpath as _holdfast.
_holdfast_know() {
  case "$1" in
${cases.join('\n')}
    (*) return 1 ;;
  esac
}
_holdfast() {
  local -a commands
  commands=(${listed.join(' ')} 'help:Arguments, options and examples')
  if (( CURRENT == 2 )) || [[ CURRENT -eq 3 && $words[2] == help ]]; then
    _describe command commands
    return
  fi
  local first=$words[2] pair="$words[2] $words[3]"
  case " ${commands
    .map(({ name }) => name)
    .filter((name) => name.includes(' '))
    .map((name) => name.replace(' ', '_'))
    .join(' ')} " in
    (*" \${pair/ /_} "*) if (( CURRENT > 3 )); then shift 2 words; (( CURRENT -= 2 )); _holdfast_know "$pair"; return; fi ;;
  esac
  shift words
  (( CURRENT -= 1 ))
  _holdfast_know "$first"
}
if [[ $funcstack[1] == _holdfast ]]; then _holdfast "$@"; else compdef _holdfast holdfast; fi
`;
}

function zshOption({ name, summary, takes }: CompletableOption): string {
  const says = summary.replaceAll(/[[\]:]/g, '\\$&');
  if (takes === 'nothing') return quote(`--${name}[${says}]`);
  const act = { file: '_files', directory: '_files -/', text: ' ' }[takes];
  return quote(`--${name}=[${says}]:${name}:${act}`);
}

function fishScript(commands: readonly Completable[]): string {
  const lines = firstWords(commands).map((first) => {
    const summary = commands.find(({ name }) => name === first)?.summary ?? '';
    return `complete -c holdfast -f -n __fish_use_subcommand -a ${first} -d ${fishQuote(summary)}`;
  });
  for (const { name, options, words } of commands) {
    const [first = '', second] = name.split(' ');
    const seen =
      `__fish_seen_subcommand_from ${first}` +
      (second === undefined ? '' : `; and __fish_seen_subcommand_from ${second}`);
    const following = second === undefined ? [...words, ...secondWords(first, commands)] : words;
    if (following.length > 0) {
      lines.push(`complete -c holdfast -f -n '${seen}' -a '${following.join(' ')}'`);
    }
    lines.push(
      ...options.map((option) => `complete -c holdfast -n '${seen}' ${fishOption(option)}`),
    );
  }
  return `# fish completion for holdfast. Save it as ~/.config/fish/completions/holdfast.fish
${lines.join('\n')}
`;
}

function fishOption({ name, summary, takes }: CompletableOption): string {
  const needs = {
    nothing: '-f',
    file: '-r -F',
    directory: '-x -a "(__fish_complete_directories)"',
    text: '-x',
  };
  return `-l ${name} ${needs[takes]} -d ${fishQuote(summary)}`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
