/** A patch of `git diff` as files, and their lines. Reads whatever it is given: what it does not know is context. */

export type LineKind = 'added' | 'removed' | 'context' | 'hunk' | 'note';

export interface PatchLine {
  kind: LineKind;
  /** Without the sign of an added, removed or unchanged line. */
  text: string;
  /** Line numbers in the old and in the new file; null where it has none. */
  old: number | null;
  new: number | null;
}

export interface PatchFile {
  name: string;
  /** Its name before, when that was another. */
  before: string | null;
  change: 'added' | 'deleted' | 'renamed' | 'binary' | 'changed';
  added: number;
  removed: number;
  lines: PatchLine[];
}

/** Characters that are looked at; a patch may hold a megabyte. */
export const SHOWN_CHARS = 300_000;

/** The first lines of a long patch, and how many characters were left out. */
export function cutPatch(patch: string, most = SHOWN_CHARS): { shown: string; left: number } {
  if (patch.length <= most) return { shown: patch, left: 0 };
  const end = patch.lastIndexOf('\n', most - 1) + 1 || most;
  return { shown: patch.slice(0, end), left: patch.length - end };
}

/** The lines of a hunk; an editor may have taken the blank of an empty one. */
const IN_HUNK = /^(?:[ +\\-]|$)/;
const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/;

/** Splits a patch into its files. */
export function parsePatch(patch: string): PatchFile[] {
  const files: PatchFile[] = [];
  let file: PatchFile | null = null;
  // What the hunk still holds: a removed line may look like the head of a file.
  let [oldLeft, newLeft, oldAt, newAt] = [0, 0, 0, 0];
  const lines = patch.split('\n');
  if (lines.at(-1) === '') lines.pop();
  for (const line of lines) {
    if (file && (oldLeft > 0 || newLeft > 0) && IN_HUNK.test(line)) {
      const sign = line.charAt(0);
      const text = line.slice(1);
      if (sign === '+') {
        file.lines.push({ kind: 'added', text, old: null, new: newAt++ });
        file.added++;
        newLeft--;
      } else if (sign === '-') {
        file.lines.push({ kind: 'removed', text, old: oldAt++, new: null });
        file.removed++;
        oldLeft--;
      } else if (sign === '\\') {
        file.lines.push({ kind: 'note', text: line, old: null, new: null });
      } else {
        file.lines.push({ kind: 'context', text, old: oldAt++, new: newAt++ });
        oldLeft--;
        newLeft--;
      }
      continue;
    }
    oldLeft = newLeft = 0;
    const hunk = HUNK.exec(line);
    if (line.startsWith('diff --git ')) {
      file = { name: headName(line), before: null, change: 'changed', added: 0, removed: 0, lines: [] };
      files.push(file);
    } else if (file && hunk) {
      [oldAt, newAt] = [Number(hunk[1]), Number(hunk[3])];
      [oldLeft, newLeft] = [Number(hunk[2] ?? 1), Number(hunk[4] ?? 1)];
      file.lines.push({ kind: 'hunk', text: line, old: null, new: null });
    } else if (file) readHead(file, line);
  }
  return files;
}

/** `diff --git a/x b/x`: where both names are the same; else the lines below say them. */
function headName(line: string): string {
  const names = line.slice('diff --git '.length);
  const same = /^"?a\/(.*?)"? "?b\/\1"?$/.exec(names);
  return unquoted(same?.[1] ?? names);
}

function readHead(file: PatchFile, line: string): void {
  const [, word = '', value = ''] =
    /^(rename from|rename to|new file|deleted file|---|\+\+\+|Binary files|GIT binary patch) ?(.*)$/.exec(
      line,
    ) ?? [];
  if (word === 'rename from') file.before = named(value);
  else if (word === 'rename to') [file.name, file.change] = [named(value), 'renamed'];
  else if (word === 'new file') file.change = 'added';
  else if (word === 'deleted file') file.change = 'deleted';
  else if (word === '+++' && value !== '/dev/null') file.name = named(value, 'b/');
  else if (word === '---' && value !== '/dev/null' && file.change === 'deleted')
    file.name = named(value, 'a/');
  else if (word === 'Binary files' || word === 'GIT binary patch') file.change = 'binary';
  else if (line.startsWith('\\') || line.startsWith('# cut here'))
    file.lines.push({ kind: 'note', text: line, old: null, new: null });
}

/** A name as git writes it: quoted when it holds what C quotes; a tab ends one with spaces. */
function named(text: string, prefix = ''): string {
  const bare = text.replace(/\t$/, '');
  const name = bare.startsWith('"') ? unquoted(bare.slice(1, -1)) : bare;
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };
const unquoted = (text: string): string =>
  text.replace(/\\([ntr"\\])/g, (_, char: string) => ESCAPES[char] ?? char);
