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
  hasRequirements: boolean;
  /** `entity/project/id` of a run that has saved its code; null for one that has not. */
  codeOf: string | null;
}

/** Whether the saved code is the only one that is known of: no commit has it. */
export const needsSavedCode = ({ commit }: Pick<Reproducible, 'commit'>): boolean =>
  commit === null || !COMMIT.test(commit);

/** Downloads a run's saved code into `code`. */
const fetchLine = (run: string): string =>
  commandLine([
    'python',
    '-c',
    `import steplog; [file.download(replace=True) for file in steplog.Api().run(${JSON.stringify(run)}).files() ` +
      'if file.name.startswith("code/")]',
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

/** The lines with which the run can be had again; a line says what is not known. */
export function reproduceLines(facts: Reproducible): string[] {
  const lines: string[] = [];
  const { remote, commit, top, folder } = facts;
  const isCommit = !needsSavedCode(facts);
  const code = isCommit ? null : facts.codeOf;
  if (remote) lines.push(cloneLine(remote));
  if (facts.upstream) {
    lines.push(`git checkout ${facts.upstream}`);
    if (facts.hasPatch) lines.push(`git apply diff_${facts.upstream}.patch`);
  } else {
    if (isCommit) lines.push(`git checkout ${commit}`);
    if (facts.hasPatch) lines.push('git apply diff.patch');
  }
  if (code !== null) lines.push(fetchLine(code));
  if (facts.hasRequirements) lines.push('pip install -r requirements.txt');
  if (facts.command) {
    if (code !== null) lines.push('cd code');
    const below = isCommit && top && folder?.startsWith(`${top}/`) ? folder.slice(top.length + 1) : null;
    if (below) lines.push(`cd ${quote(below.startsWith('-') ? `./${below}` : below)}`);
    lines.push(commandLine(facts.command));
  }
  return lines;
}
