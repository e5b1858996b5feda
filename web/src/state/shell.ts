/** Commands that can be pasted into a POSIX shell, made of what a run says of itself. */

/** What a shell takes as it is; the set of Python's `shlex.quote`. */
const PLAIN = /^[\w@%+=:,./-]+$/;
/** A terminal would act on them when they are pasted. */
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** One word for a shell, whatever is in it. */
export function quote(word: string): string {
  if (PLAIN.test(word)) return word;
  if (!CONTROL.test(word)) return `'${word.replaceAll("'", `'"'"'`)}'`;
  const escaped = [...new TextEncoder().encode(word)].map((byte) => {
    const char = String.fromCharCode(byte);
    if (char === "'" || char === '\\') return `\\${char}`;
    return byte >= 0x20 && byte < 0x7f ? char : `\\x${byte.toString(16).padStart(2, '0')}`;
  });
  return `$'${escaped.join('')}'`;
}

export const commandLine = (words: readonly string[]): string => words.map(quote).join(' ');

/** An option is not a commit, however it is spelled. */
const COMMIT = /^[0-9a-f]{7,64}$/;

export interface Reproducible {
  remote: string | null;
  commit: string | null;
  /** The top folder of the repository, and the folder that the program ran in. */
  top: string | null;
  folder: string | null;
  command: readonly string[] | null;
  /** The commit of the upstream branch where there is a patch against it: a commit that was not pushed is not there. */
  upstream: string | null;
  /** Whether there is a patch that can be applied. */
  hasPatch: boolean;
  /** Whether files differed from the commit; null where that is not known. */
  dirty: boolean | null;
  /** Whether the commit or a patch to it has the program; null where that is not known. */
  hasProgram: boolean | null;
  /** Whether the repository has parts that are repositories of their own. */
  hasSubmodules: boolean;
  /** Why Git did not say all of it. */
  reason: string | null;
  hasRequirements: boolean;
  /** `entity/project/id` of a run that has saved its code; null for one that has not. */
  codeOf: string | null;
  /** The program's path, and the run's file that holds it, such as `code/train.py`. */
  program: { path: string | null; saved: string | null };
  /** The run's file with the cells that were run; null for one that has none. */
  session: string | null;
}

/** The part of a run's files that is code. */
const CODE = 'code/';
/** Where it is downloaded to when it is to be put into a repository, which may have such a folder of its own. */
const SAVED = 'saved';

const hasCommit = ({ commit }: Pick<Reproducible, 'commit'>): boolean =>
  commit !== null && COMMIT.test(commit);

/** Why the saved code is wanted beside what Git has; null where Git has all of it. */
export function savedCodeReason(
  facts: Pick<Reproducible, 'commit' | 'dirty' | 'hasPatch' | 'hasProgram' | 'reason'>,
): string | null {
  if (!hasCommit(facts)) return 'No commit has the code';
  if (facts.hasProgram === false) return 'Git does not track the program';
  const mayDiffer = facts.dirty ?? facts.reason !== null;
  return mayDiffer && !facts.hasPatch ? 'There is no patch that could be applied' : null;
}

/** Downloads a run's saved code into `code`, in a folder. */
const fetchLine = (run: string, folder = ''): string =>
  commandLine([
    'python',
    '-c',
    `import steplog; [file.download(${folder && `${JSON.stringify(folder)}, `}replace=True) for file in ` +
      `steplog.Api().run(${JSON.stringify(run)}).files() if file.name.startswith("${CODE}")]`,
  ]);

/** Where a login stood: the address works for whoever has one. */
const MASKED_LOGIN = /^([a-z][\w+.-]*:\/\/)\*\*\*@/i;
/** Where a query had a secret, likewise. */
const MASKED_PAIR = /(?<=[?&])[^?&=#]*=\*\*\*(?:&|(?=#|$))/g;
/** The query of an address, and what follows it; a path has none. */
const QUERY = /^([a-z][\w+.-]*:\/\/[^?#]*)[?#].*$/i;

/** An address without what was masked in it. */
const unmasked = (remote: string): string => {
  const bare = remote.replace(MASKED_LOGIN, '$1');
  return QUERY.test(bare) ? bare.replaceAll(MASKED_PAIR, '').replace(/[?&](?=#|$)/, '') : bare;
};

/** The last part of an address's path: what `git clone` calls the folder, where there is no query. */
function cloneFolder(address: string): string {
  const last =
    address
      .replace(QUERY, '$1')
      .replace(/[/\\]+$/, '')
      .split(/[/:\\]/)
      .at(-1) ?? '';
  return last.replace(/\.git$/, '');
}

/** Clones a repository, and goes into it. */
function cloneLine(remote: string): string {
  const address = unmasked(remote);
  const into = cloneFolder(address);
  const clone = `git clone ${address.startsWith('-') ? '-- ' : ''}${quote(address)}`;
  if (!into || into.startsWith('-')) return clone;
  // Git would take the query for a part of the name.
  return `${clone}${QUERY.test(address) ? ` ${quote(into)}` : ''} && cd ${quote(into)}`;
}

/** A name that is no option. */
const asPath = (name: string): string => (name.startsWith('-') ? `./${name}` : name);

/** The name of the saved program as seen from the folder that it ran in. */
const savedName = ({ program }: Reproducible): string | null =>
  program.saved?.startsWith(CODE) ? program.saved.slice(CODE.length) : null;

/** The path that a word names, seen from a folder: without `.` and `..`. */
function resolved(folder: string, word: string): string {
  const parts: string[] = [];
  for (const part of (word.startsWith('/') ? word : `${folder}/${word}`).split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** The command, with the program where its saved file is put: it may have been anywhere. */
function savedCommand(facts: Reproducible, command: readonly string[]): string {
  const [name, { path }, folder] = [savedName(facts), facts.program, facts.folder ?? ''];
  const at =
    name && path?.startsWith('/') ? command.findIndex((word) => resolved(folder, word) === path) : -1;
  return commandLine(at > 0 && name ? command.with(at, asPath(name)) : command);
}

/** Puts the saved program where it is called. */
function putLines(facts: Reproducible, run: string): string[] {
  const name = savedName(facts);
  if (name === null) return [fetchLine(run, SAVED)];
  const folder = name.includes('/') ? asPath(name.slice(0, name.lastIndexOf('/'))) : null;
  return [
    fetchLine(run, SAVED),
    ...(folder ? [`mkdir -p ${quote(folder)}`] : []),
    `cp ${quote(`${SAVED}/${CODE}${name}`)} ${quote(asPath(name))}`,
  ];
}

/** Brings the files to what they were, as far as Git knows. */
function checkoutLines(facts: Reproducible): string[] {
  const commit = facts.upstream ?? (hasCommit(facts) ? facts.commit : null);
  const patch = facts.upstream ? `diff_${facts.upstream}.patch` : 'diff.patch';
  return [
    ...(commit ? [`git checkout ${commit}`] : []),
    ...(facts.hasSubmodules ? ['git submodule update --init --recursive'] : []),
    ...(facts.hasPatch ? [`git apply ${patch}`] : []),
  ];
}

/** How IPython's kernel is called for a notebook, by a file that is gone with it. */
const KERNEL = /^ipykernel(_launcher)?$/;

/** The words to run it again: those of a notebook's kernel run nothing. */
function commandAgain(facts: Reproducible, isAlone: boolean): readonly string[] | null {
  const { command, program, session } = facts;
  if (!command?.some((word) => KERNEL.test(word))) return command;
  const known = [program.path, program.saved, isAlone ? session : null];
  const notebook = known.find((path) => path?.endsWith('.ipynb'));
  const name = notebook?.split('/').at(-1);
  return name ? ['jupyter', 'execute', asPath(name)] : null;
}

/** The lines with which the run can be had again; a line says what is not known. */
export function reproduceLines(facts: Reproducible): string[] {
  const { remote, top, folder } = facts;
  const code = savedCodeReason(facts) === null ? null : facts.codeOf;
  const below = hasCommit(facts) && top && folder?.startsWith(`${top}/`) ? folder.slice(top.length + 1) : '';
  const isAlone = code !== null && !hasCommit(facts);
  const command = commandAgain(facts, isAlone);
  const lines: string[] = remote ? [cloneLine(remote)] : [];
  lines.push(...checkoutLines(facts));
  if (isAlone) lines.push(fetchLine(code));
  if (facts.hasRequirements) lines.push('pip install -r requirements.txt');
  if (command && isAlone) lines.push('cd code');
  if (below && (command || code !== null)) lines.push(`cd ${quote(asPath(below))}`);
  if (code !== null && !isAlone) lines.push(...putLines(facts, code));
  if (command) lines.push(code === null ? commandLine(command) : savedCommand(facts, command));
  return lines;
}
